"""Clients that write without pause through all nodes of a cluster while its leader dies, and
remember what was acknowledged. One thread; each write has a key of its own, so that none can hide
another."""

import contextlib
import selectors
import socket
import time

from servers import BenchError, Client

RECOVERY_LIMIT_S = 60
RETRY_S = 0.01
KEYS_AT_ONCE = 500


class Writer:
    """One connection to one of the nodes, the next one when that is gone; one write at a time."""

    def __init__(self, number, ports):
        self.number = number
        self.ports = ports
        self.turn = number  # writers begin at different nodes
        self.socket = None
        self.retry_at = 0.0
        self.written = 0
        self.pending = None  # key of the write that is on its way
        self.received = b""

    def connect(self):
        self.turn += 1
        try:
            self.socket = socket.create_connection(
                ("127.0.0.1", self.ports[self.turn % len(self.ports)]), 0.2)
        except OSError:
            self.retry_at = time.monotonic() + RETRY_S
            return False
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        return True

    def write(self):
        self.pending = f"w:{self.number}:{self.written}"
        self.written += 1
        key = self.pending.encode()
        self.socket.sendall(b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$1\r\nv\r\n" % (len(key), key))

    def reply(self):
        """A reply's line, or None: there is none yet."""
        received = self.socket.recv(4096)
        if not received:
            raise ConnectionError("closed")
        self.received += received
        line, end, rest = self.received.partition(b"\r\n")
        if not end:
            return None
        self.received = rest
        return line.decode()

    def hang_up(self):
        self.socket.close()
        self.socket = None


class FailoverClients:
    def __init__(self, ports, count):
        self._ports = ports
        self._writers = [Writer(number, ports) for number in range(count)]
        self._selector = selectors.DefaultSelector()
        self._acknowledged_keys = []
        self._acknowledged_at = []  # of each of them, time.monotonic
        self.unknown = 0  # writes whose connection broke, or that were answered -TIMEOUT
        self.refusals = {}  # the first word of error replies, how often

    @staticmethod
    def now():
        return time.monotonic()

    @property
    def acknowledged(self):
        return len(self._acknowledged_keys)

    def run(self, seconds):
        end = self.now() + seconds
        while self.now() < end:
            self._turn()

    def run_until_acknowledged_again(self, killed):
        """The longest time in which nothing was acknowledged, from just before `killed` on."""
        if self.acknowledged == 0:
            raise BenchError(f"no write was acknowledged; refused with {self.refusals}")
        first = self.acknowledged - 1  # the last one before
        deadline = killed + RECOVERY_LIMIT_S
        while self.acknowledged <= first + 1 or self._acknowledged_at[-1] < killed + 0.1:
            if self.now() > deadline:
                raise BenchError(f"no write was acknowledged for {RECOVERY_LIMIT_S} s after the "
                                 f"leader died; refused with {self.refusals}")
            self._turn()
        times = self._acknowledged_at[first:]
        return max(after - before for before, after in zip(times, times[1:]))

    def lost_writes(self):
        """Acknowledged keys that are not there."""
        lost = []
        with contextlib.closing(Client(self._ports[0])) as client:
            client.command("SET", "w:end", "v")  # reads after it see what was acknowledged before
            for begin in range(0, self.acknowledged, KEYS_AT_ONCE):
                keys = self._acknowledged_keys[begin:begin + KEYS_AT_ONCE]
                if client.command("EXISTS", *keys) == len(keys):
                    continue
                lost += [key for key in keys if client.command("EXISTS", key) == 0]
        return lost

    def close(self):
        for writer in self._writers:
            if writer.socket is not None:
                writer.hang_up()
        self._selector.close()

    def _turn(self):
        now = self.now()
        for writer in self._writers:
            if writer.pending is not None or now < writer.retry_at:
                continue
            if writer.socket is None:
                if not writer.connect():
                    continue
                self._selector.register(writer.socket, selectors.EVENT_READ, writer)
            self._try(writer, writer.write)
        self._receive()

    def _receive(self):
        for event, _ in self._selector.select(RETRY_S):
            self._try(event.data, lambda writer=event.data: self._take_reply(writer))

    def _try(self, writer, step):
        try:
            step()
        except OSError:
            self.unknown += writer.pending is not None
            writer.pending = None
            self._selector.unregister(writer.socket)
            writer.hang_up()

    def _take_reply(self, writer):
        line = writer.reply()
        if line is None:
            return
        if line == "+OK":
            self._acknowledged_keys.append(writer.pending)
            self._acknowledged_at.append(self.now())
        else:
            word = line.split(" ", 1)[0]
            self.refusals[word] = self.refusals.get(word, 0) + 1
            self.unknown += word == "-TIMEOUT"
            writer.retry_at = self.now() + RETRY_S
        writer.pending = None
