"""Plays the steps of a test on the reference and the subject side by side and compares."""

import random
import time
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Sequence

from allowed_differences import allowed
from harness import normalise
from harness.connection import REPLY_TIMEOUT_S, Connection
from harness.resp import CLOSED, TIMEOUT, Reply, encode_command, garbage, quote
from harness.servers import Endpoint
from harness.step import Step, substitute

SUBSCRIPTION_COMMANDS = (b"subscribe", b"psubscribe", b"unsubscribe", b"punsubscribe")
UNTIL_TIMEOUT_S = 15.0
PIPELINE_DEPTH = 64
OPTIONS_THAT_SCRIPTS_CHANGE = {
    "notify-keyspace-events": "",
    "maxmemory": "0",
    "maxclients": "10000",
    "slowlog-log-slower-than": "10000",
}
BROKEN = (CLOSED.kind, TIMEOUT.kind, b"garbage")


@dataclass
class Mismatch:
    index: int
    step: Step
    reference: List[Reply]
    subject: List[Reply]

    @property
    def is_fatal(self) -> bool:
        """The connection is out of step, so what follows would only repeat the failure."""
        return any(reply.kind in BROKEN for reply in self.reference + self.subject)

    def show(self) -> str:
        lines = [f"step {self.index} {self.step.where}: {show_step(self.step)}"]
        for name, replies in (("reference", self.reference), ("subject", self.subject)):
            shown = " | ".join(reply.show() for reply in replies) or "(nothing)"
            lines.append(f"  {name:9} {shown}")
        return "\n".join(lines)


def show_step(step: Step) -> str:
    words = [word.decode() if word.isalnum() else quote(word)[:300] for word in step.args]
    verb = "" if step.verb == "command" else f"!{step.verb} "
    name = f"{step.name} " if step.name else ""
    note = f" ~{step.normaliser}" if step.normaliser else ""
    return f"{step.connection}> {verb}{name}{' '.join(words)}{note}".rstrip()


def same_reply(step: Step, reference: Reply, subject: Reply) -> bool:
    normaliser = step.normaliser or normalise.default_for(step.args)
    if normalise.compare(normaliser, reference, subject):
        return True
    return allowed(step.args, reference, subject) is not None


def same_exec(queued: Sequence[Step], reference: Reply, subject: Reply) -> bool:
    """EXEC: each reply of the array as its queued command wants it."""
    first, second = reference.children(), subject.children()
    if reference.kind != subject.kind or not len(first) == len(second) == len(queued):
        return False
    return all(map(same_reply, queued, first, second))


@dataclass
class Side:
    """One server: the connections of the running test and the variables of its script."""

    endpoint: Endpoint
    control: Connection
    protocol: int = 2
    connections: Dict[str, Connection] = field(default_factory=dict)
    variables: Dict[str, bytes] = field(default_factory=dict)

    def connection(self, name: str) -> Connection:
        """Opened at its first use. A test that changes the password sees the refusals itself."""
        if name not in self.connections:
            connection = Connection(self.endpoint.host, self.endpoint.port)
            if self.endpoint.password:
                connection.command("AUTH", self.endpoint.password)
            if self.protocol == 3:
                connection.command("HELLO", "3")
            self.connections[name] = connection
        return self.connections[name]

    def reset(self, protocol: int) -> None:
        for connection in self.connections.values():
            connection.close()
        self.connections.clear()
        self.variables.clear()
        self.protocol = protocol
        if self.control.command("FLUSHALL").kind in BROKEN:
            self.control = self.endpoint.connect()
            self.control.command("FLUSHALL")
        self.control.command("CLIENT", "UNPAUSE")
        for option, value in OPTIONS_THAT_SCRIPTS_CHANGE.items():
            self.control.command("CONFIG", "SET", option, value)
        self.control.command("CONFIG", "SET", "requirepass", self.endpoint.password or "")

    def close(self) -> None:
        for connection in [*self.connections.values(), self.control]:
            connection.close()


class Player:
    """REQUIRES: start() before the first play() of a test."""

    def __init__(self, reference: Endpoint, subject: Endpoint) -> None:
        self.reference = Side(reference, reference.connect())
        self.subject = Side(subject, subject.connect())
        self._queued: Dict[str, List[Step]] = {}
        self._executed: Dict[str, List[Step]] = {}
        self._now_ms = 0
        self._tokens = 0

    @property
    def sides(self):
        return (self.reference, self.subject)

    def close(self) -> None:
        for side in self.sides:
            side.close()

    def start(self, protocol: int) -> None:
        for side in self.sides:
            side.reset(protocol)
        self._queued.clear()
        self._executed.clear()
        self._now_ms = int(time.time() * 1000)

    def play_all(self, steps: Sequence[Step], most: int = 5) -> List[Mismatch]:
        """Plays until the end, a broken connection, or `most` mismatches."""
        mismatches: List[Mismatch] = []
        for index, step in enumerate(steps, 1):
            mismatch = self.play(index, step)
            if mismatch:
                mismatches.append(mismatch)
                if mismatch.is_fatal or len(mismatches) == most:
                    return mismatches
        return mismatches + self._left_over(len(steps))

    def _left_over(self, index: int) -> List[Mismatch]:
        """Bytes after the last reply that only the subject sent."""
        found = []
        for name, connection in self.subject.connections.items():
            unread = connection.unread()
            if unread and not self.reference.connection(name).unread():
                step = Step("drain", (), name, where="after the end")
                found.append(Mismatch(index, step, [], [garbage(repr(unread[:200]))]))
        return found

    def play_pipeline(self, steps: Sequence[Step], cuts: random.Random) -> List[Mismatch]:
        """Sends all steps of connection `a` without waiting, in pieces that `cuts` chooses."""
        connections = [side.connection("a") for side in self.sides]
        for start in range(0, len(steps), PIPELINE_DEPTH):
            batch = steps[start : start + PIPELINE_DEPTH]
            data = b"".join(encode_command(step.args) for step in batch)
            while data:
                size = cuts.choice((1, 2, 7, 100, 4096, len(data)))
                for connection in connections:
                    connection.send_raw(data[:size])
                data = data[size:]
            for index, step in enumerate(batch, start + 1):
                replies = [self._read(side, step, 1) for side in self.sides]
                if not self._same(step, *replies):
                    return [Mismatch(index, step, *replies)]
        return []

    def play(self, index: int, step: Step) -> Optional[Mismatch]:
        reference, subject = getattr(self, f"_play_{step.verb}")(step)
        is_wrong_script = any(reply.kind in (TIMEOUT.kind, b"garbage") for reply in reference)
        if not is_wrong_script and self._same(step, reference, subject):
            return None
        return Mismatch(index, step, reference, subject)

    def _same(self, step: Step, reference: List[Reply], subject: List[Reply]) -> bool:
        if reference == subject:
            return True
        if len(reference) != len(subject):
            return False
        if step.normaliser == "any-order":
            return sorted(map(repr, reference)) == sorted(map(repr, subject))
        queued = self._executed.get(step.connection)
        return all(
            same_reply(step, first, second) or (queued and same_exec(queued, first, second))
            for first, second in zip(reference, subject)
        )

    # Each _play_ method returns (replies of the reference, replies of the subject).

    def _play_command(self, step: Step):
        for side in self.sides:
            side.connection(step.connection).send(*self._filled(side, step))
        multi = self._queued.get(step.connection) is not None
        if step.args and step.args[0].lower() in SUBSCRIPTION_COMMANDS and not multi:
            return self._read_to_barrier(step)
        results = tuple(self._read(side, step, 1) for side in self.sides)
        self._follow_transaction(step, results[0])
        return results

    def _play_raw(self, step: Step):
        for side in self.sides:
            side.connection(step.connection).send_raw(b"".join(self._filled(side, step)))
        return tuple(self._read(side, step, 1) for side in self.sides)

    def _play_drain(self, step: Step):
        return self._read_to_barrier(step)

    def _play_push(self, step: Step):
        count = int(step.name)
        return tuple(
            [side.connection(step.connection).read() for _ in range(count)] for side in self.sides
        )

    def _play_closed(self, step: Step):
        return tuple(self._read_to_end(side, step) for side in self.sides)

    def _play_close(self, step: Step):
        for side in self.sides:
            side.connection(step.connection).close()
            del side.connections[step.connection]
        self._queued.pop(step.connection, None)
        return [], []

    def _play_save(self, step: Step):
        results = []
        for side in self.sides:
            reply = side.connection(step.connection).command(*self._filled(side, step))
            side.variables[step.name] = reply.body if isinstance(reply.body, bytes) else b""
            results.append([Reply(reply.kind, b"" if reply.body is not None else None)])
        return tuple(results)

    def _play_until(self, step: Step):
        return tuple([self._until(side, step)] for side in self.sides)

    def _until(self, side: Side, step: Step) -> Reply:
        deadline = time.monotonic() + UNTIL_TIMEOUT_S
        connection = side.connection(step.connection)
        reply = connection.command(*self._filled(side, step))
        while reply.body != step.name.encode() and time.monotonic() < deadline:
            if reply.kind in BROKEN:
                break
            time.sleep(0.005)
            reply = connection.command(*self._filled(side, step))
        return reply

    def _play_scan(self, step: Step):
        """`SCAN …`: the cursor is put in front of the options that the step gives."""
        return tuple(self._scan(side, step) for side in self.sides)

    def _scan(self, side: Side, step: Step) -> List[Reply]:
        connection = side.connection(step.connection)
        cursor, found = b"0", set()
        for _ in range(1_000_000):
            reply = connection.command(step.args[0], cursor, *self._filled(side, step)[1:])
            if reply.kind != b"*" or len(reply.body) != 2:
                return [reply]
            cursor = reply.body[0].body
            found.update(reply.body[1].children())
            if cursor == b"0":
                return [Reply(b"*", tuple(sorted(found)))]
        return [Reply(b"garbage", b"SCAN did not end")]

    def _play_alone(self, _step: Step):
        """Connections of earlier tests may still be on their way out of the server."""
        for side in self.sides:
            deadline = time.monotonic() + UNTIL_TIMEOUT_S
            ours = 1 + len(side.connections)
            while True:
                listed = side.control.command("CLIENT", "LIST").body or b""
                if listed.count(b"\n") == ours:
                    break
                if time.monotonic() > deadline:
                    return [], [Reply(b"garbage", b"other clients are connected: " + listed)]
                time.sleep(0.005)
        return [], []

    def _filled(self, side: Side, step: Step) -> Sequence[bytes]:
        if not step.has_variables:
            return step.args

        def look_up(name: str, operator: str, operand: str) -> bytes:
            if name in ("now_ms", "now_s"):
                now = self._now_ms if name == "now_ms" else self._now_ms // 1000
                return b"%d" % (now + int(f"{operator}{operand}" or 0))
            if name == "pad":
                return b"x" * int(operand)
            if name == "addr":
                return side.connection(operand).address.encode()
            if name == "laddr":
                return side.connection(operand).server_address.encode()
            return side.variables.get(name, b"")

        return [substitute(word, look_up) for word in step.args]

    @staticmethod
    def _read(side: Side, step: Step, default_count: int) -> List[Reply]:
        """Reads that many replies and the pushes that come before each."""
        connection = side.connection(step.connection)
        wanted = default_count if step.replies is None else step.replies
        replies: List[Reply] = []
        while wanted > 0:
            replies.append(connection.read(REPLY_TIMEOUT_S))
            if replies[-1].kind in BROKEN:
                break
            wanted -= not replies[-1].is_push
        return replies

    def _read_to_barrier(self, step: Step):
        self._tokens += 1
        token = b"barrier-%d" % self._tokens
        for side in self.sides:
            side.connection(step.connection).send_raw(encode_command([b"PING", token]))
        return tuple(self._read_until_token(side, step, token) for side in self.sides)

    @staticmethod
    def _read_until_token(side: Side, step: Step, token: bytes) -> List[Reply]:
        connection = side.connection(step.connection)
        replies: List[Reply] = []
        while True:
            reply = connection.read()
            children = reply.children()
            if reply.body == token or (len(children) == 2 and children[1].body == token):
                return replies
            replies.append(reply)
            if reply.kind in BROKEN:
                return replies

    @staticmethod
    def _read_to_end(side: Side, step: Step) -> List[Reply]:
        connection = side.connection(step.connection)
        replies = [connection.read()]
        while replies[-1].kind not in BROKEN:
            replies.append(connection.read())
        return replies

    def _follow_transaction(self, step: Step, replies: List[Reply]) -> None:
        """Remembers the queued commands, for the reply of EXEC."""
        self._executed.pop(step.connection, None)
        if not replies or not step.args:
            return
        last, word = replies[-1], step.args[0].lower()
        queue = self._queued.get(step.connection)
        if word == b"multi" and last.body == b"OK":
            self._queued[step.connection] = []
        elif queue is not None and last.body == b"QUEUED":
            queue.append(step)
        elif queue is not None and word in (b"exec", b"discard", b"reset", b"quit"):
            self._executed[step.connection] = self._queued.pop(step.connection)
