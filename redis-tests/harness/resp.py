"""A RESP2/RESP3 reader that keeps every byte, so equal values mean equal bytes on the wire."""

from typing import NamedTuple, Optional, Tuple, Union

LINE_KINDS = b"+-:_#,("
BULK_KINDS = b"$=!"
AGGREGATE_KINDS = b"*~>%|"


class ProtocolViolation(Exception):
    """The server sent bytes that are not RESP."""


class Reply(NamedTuple):
    """One value. `kind` is its type byte; `body` is the text, the children, or None for null."""

    kind: bytes
    body: Union[bytes, Tuple["Reply", ...], None]

    @property
    def is_push(self) -> bool:
        return self.kind == b">"

    @property
    def is_error(self) -> bool:
        return self.kind in (b"-", b"!")

    @property
    def is_aggregate(self) -> bool:
        return isinstance(self.body, tuple)

    def integer(self) -> Optional[int]:
        return int(self.body) if self.kind == b":" else None

    def children(self) -> Tuple["Reply", ...]:
        return self.body if isinstance(self.body, tuple) else ()

    def pairs(self) -> dict:
        """The children of a map, or of the flat array that RESP2 sends instead."""
        items = self.children()
        return {items[i].body: items[i + 1] for i in range(0, len(items) - 1, 2)}

    def show(self, limit: int = 400) -> str:
        text = self._show()
        return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"

    def _show(self) -> str:
        kind = self.kind.decode()
        if self.body is None:
            return f"{kind}nil"
        if isinstance(self.body, tuple):
            return f"{kind}[{', '.join(child._show() for child in self.body)}]"
        return f"{kind}{quote(self.body)}"


CLOSED = Reply(b"closed", b"the connection was closed")
TIMEOUT = Reply(b"timeout", b"no reply in time")


def garbage(text: str) -> Reply:
    """Stands in for a reply that is not RESP."""
    return Reply(b"garbage", text.encode())


def quote(data: bytes) -> str:
    """`data` as a double-quoted string that the script files and redis-cli read back."""
    special = {0x22: '\\"', 0x5C: "\\\\", 0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t"}
    parts = [
        special.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}") for byte in data
    ]
    return '"' + "".join(parts) + '"'


def encode_command(args) -> bytes:
    """A command as the array of bulk strings that clients send."""
    parts = [b"*%d\r\n" % len(args)]
    for arg in args:
        parts.append(b"$%d\r\n%s\r\n" % (len(arg), arg))
    return b"".join(parts)


class Parser:
    """Takes bytes as they arrive and gives whole replies."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._position = 0

    def feed(self, data: bytes) -> None:
        if self._position:
            del self._buffer[: self._position]
            self._position = 0
        self._buffer += data

    @property
    def pending(self) -> bytes:
        return bytes(self._buffer[self._position :])

    def next(self) -> Optional[Reply]:
        """The next reply, or None while it is incomplete."""
        parsed = self._parse(self._position)
        if parsed is None:
            return None
        reply, self._position = parsed
        return reply

    def _parse(self, start: int):
        end = self._buffer.find(b"\r\n", start)
        if end < 0:
            return None
        kind = bytes(self._buffer[start : start + 1])
        line = bytes(self._buffer[start + 1 : end])
        position = end + 2
        if kind and kind in LINE_KINDS:
            return Reply(kind, line), position
        if kind and kind in BULK_KINDS:
            return self._parse_bulk(kind, self._length(kind, line), position)
        if kind and kind in AGGREGATE_KINDS:
            return self._parse_aggregate(kind, self._length(kind, line), position)
        raise ProtocolViolation(f"unknown type byte in {quote(kind + line)[:200]}")

    @staticmethod
    def _length(kind: bytes, line: bytes) -> int:
        digits = line[1:] if line.startswith(b"-") else line
        if not digits.isdigit():
            raise ProtocolViolation(f"bad length in {quote(kind + line)[:200]}")
        return int(line)

    def _parse_bulk(self, kind: bytes, length: int, position: int):
        if length < 0:
            return Reply(kind, None), position
        end = position + length
        if len(self._buffer) < end + 2:
            return None
        if self._buffer[end : end + 2] != b"\r\n":
            raise ProtocolViolation("a bulk string is not followed by CRLF")
        return Reply(kind, bytes(self._buffer[position:end])), end + 2

    def _parse_aggregate(self, kind: bytes, length: int, position: int):
        if length < 0:
            return Reply(kind, None), position
        children = []
        for _ in range(length * 2 if kind in (b"%", b"|") else length):
            parsed = self._parse(position)
            if parsed is None:
                return None
            child, position = parsed
            children.append(child)
        return Reply(kind, tuple(children)), position
