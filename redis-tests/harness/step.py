"""What a test does, step by step, and the text files that list such steps.

A script file holds tests:

    # a comment
    test set-refuses-a-second-expiry [resp2|resp3]
      SET k v EX 10 PX 10
      b> GET k                 on another connection; the default one is `a`
      PTTL k ~near=3000        a normaliser (harness/normalise.py) instead of byte for byte
      b> !drain                compare everything that arrives on `b` until a PING is answered

Words are split as redis-cli splits them: "double quotes" with \\n \\r \\t \\xNN, 'single quotes'.
`${name}` is a variable of one server; `${now_s+N}`, `${now_ms+N}`, `${pad:N}` (N times x),
`${addr:b}` and `${laddr:b}` (both ends of connection `b`) are always there.

    !raw "bytes"          send bytes as they are, then read one reply
    !drain                see above
    !push N               wait until N values have arrived, without sending anything
    !closed               the server closes the connection; what it sends before is compared
    !close                close the connection from our side
    !save NAME COMMAND    keep the reply in ${NAME}, compare only its shape
    !until TEXT COMMAND   repeat until the reply is TEXT
    !scan COMMAND         follow the cursor to its end, compare the sets of what it returned
    !alone                wait until no other connection than ours is open

Normalisers after a command: `~none` (no reply is expected), `~replies=N`, else a comparison.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import List, Optional, Tuple

VERBS = ("command", "raw", "drain", "push", "closed", "close", "save", "until", "scan", "alone")


class ScriptError(Exception):
    """A script file that cannot be read."""


@dataclass
class Step:
    verb: str
    args: Tuple[bytes, ...] = ()
    connection: str = "a"
    normaliser: Optional[str] = None
    replies: Optional[int] = None
    name: str = ""
    has_variables: bool = False
    where: str = ""


@dataclass
class Script:
    name: str
    protocols: Tuple[int, ...] = (2, 3)
    steps: List[Step] = field(default_factory=list)


def command(*args: bytes, connection: str = "a", normaliser: Optional[str] = None) -> Step:
    return Step("command", tuple(args), connection, normaliser)


ESCAPES = {"n": b"\n", "r": b"\r", "t": b"\t", "b": b"\b", "a": b"\a"}


def _double_quoted(line: str, position: int) -> Tuple[bytes, int]:
    word = bytearray()
    while position < len(line):
        character = line[position]
        if character == '"':
            return bytes(word), position + 1
        if character == "\\" and position + 1 < len(line):
            escaped = line[position + 1]
            if escaped == "x":
                word.append(int(line[position + 2 : position + 4], 16))
                position += 4
            else:
                word += ESCAPES.get(escaped, escaped.encode())
                position += 2
        else:
            word += character.encode()
            position += 1
    raise ScriptError("unbalanced double quotes")


def split_words(line: str) -> List[Tuple[bytes, bool]]:
    """The words of a line, each with whether it was quoted."""
    words: List[Tuple[bytes, bool]] = []
    position = 0
    while position < len(line):
        if line[position].isspace():
            position += 1
        elif line[position] == '"':
            word, position = _double_quoted(line, position + 1)
            words.append((word, True))
        elif line[position] == "'":
            end = line.index("'", position + 1)
            words.append((line[position + 1 : end].encode(), True))
            position = end + 1
        else:
            end = position
            while end < len(line) and not line[end].isspace():
                end += 1
            words.append((line[position:end].encode(), False))
            position = end
    return words


CONNECTION = re.compile(r"^([a-z][a-z0-9]*)> *")


def parse_step(line: str) -> Step:
    step = Step("command", has_variables="${" in line)
    prefix = CONNECTION.match(line)
    if prefix:
        step.connection = prefix.group(1)
        line = line[prefix.end() :]
    words = split_words(line)
    if words and words[0][0].startswith(b"!") and not words[0][1]:
        step.verb = words.pop(0)[0][1:].decode()
        if step.verb not in VERBS:
            raise ScriptError(f"no verb !{step.verb}")
    while words and words[-1][0].startswith(b"~") and not words[-1][1]:
        note = words.pop()[0][1:].decode()
        if note == "none":
            step.replies = 0
        elif note.startswith("replies="):
            step.replies = int(note[8:])
        else:
            step.normaliser = note
    if step.verb in ("push", "save", "until"):
        step.name = words.pop(0)[0].decode()
    step.args = tuple(word for word, _ in words)
    return step


def load_scripts(path: Path) -> List[Script]:
    scripts: List[Script] = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        try:
            if line.startswith("test "):
                name, *options = line.split()[1:]
                protocols = tuple(int(option[4:]) for option in options) or (2, 3)
                scripts.append(Script(f"{path.stem}/{name}", protocols))
            else:
                step = parse_step(line)
                step.where = f"{path.name}:{number}"
                scripts[-1].steps.append(step)
        except (ScriptError, ValueError, IndexError) as error:
            raise ScriptError(f"{path}:{number}: {error}") from error
    return scripts


VARIABLE = re.compile(rb"\$\{([a-z_]+)(?:([:+-])([a-z0-9]+))?\}")


def substitute(word: bytes, look_up) -> bytes:
    """Replaces each ${…} by look_up(name, operator, operand)."""

    def replace(match):
        return look_up(*(part.decode() if part else "" for part in match.groups()))

    return VARIABLE.sub(replace, word)
