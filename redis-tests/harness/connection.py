"""One blocking client connection on a raw socket."""

import socket
import time

from harness.resp import (
    CLOSED,
    TIMEOUT,
    Parser,
    ProtocolViolation,
    Reply,
    encode_command,
    garbage,
)

REPLY_TIMEOUT_S = 10.0


class Connection:
    """Sends bytes and reads replies; a lost connection or a missing reply is a value too."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), timeout=REPLY_TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._parser = Parser()
        self.address = "{}:{}".format(*self._socket.getsockname()[:2])
        self.server_address = "{}:{}".format(*self._socket.getpeername()[:2])

    def close(self) -> None:
        self._socket.close()

    def send_raw(self, data: bytes) -> None:
        """Ignores a connection that the server closed: the next read reports it."""
        try:
            self._socket.settimeout(REPLY_TIMEOUT_S)
            self._socket.sendall(data)
        except OSError:
            pass

    def send(self, *args: bytes) -> None:
        self.send_raw(encode_command(args))

    def read(self, timeout_s: float = REPLY_TIMEOUT_S) -> Reply:
        """The next value; CLOSED, TIMEOUT or a `garbage` reply when there is none."""
        deadline = None
        try:
            while (reply := self._parser.next()) is None:
                deadline = deadline or time.monotonic() + timeout_s
                remaining_s = deadline - time.monotonic()
                if remaining_s <= 0:
                    return TIMEOUT
                self._socket.settimeout(remaining_s)
                data = self._socket.recv(1 << 20)
                if not data:
                    return CLOSED if not self._parser.pending else self._torn()
                self._parser.feed(data)
            return reply
        except socket.timeout:
            return TIMEOUT if not self._parser.pending else self._torn()
        except OSError:
            return CLOSED
        except ProtocolViolation as violation:
            return garbage(str(violation))

    def _torn(self) -> Reply:
        return garbage(f"incomplete reply {self._parser.pending[:200]!r}")

    def unread(self) -> bytes:
        """What has arrived and was not read, without waiting."""
        try:
            self._socket.setblocking(False)
            self._parser.feed(self._socket.recv(1 << 20))
        except OSError:
            pass
        return self._parser.pending

    def command(self, *args) -> Reply:
        """Sends one command and returns its reply; pushes on the way are dropped."""
        self.send(*(arg if isinstance(arg, bytes) else str(arg).encode() for arg in args))
        reply = self.read()
        while reply.is_push:
            reply = self.read()
        return reply
