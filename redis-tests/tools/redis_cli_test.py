"""redis-cli in all the ways that an operator uses it."""

import os
import pty
import re
import select
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Callable, Dict, Optional, Sequence
from urllib.parse import quote

from harness.report import Report
from harness.resp import encode_command
from harness.servers import Endpoint
from tools.program import environment, run_program, server_words, show

PIPE_COMMANDS = 20_000
SCAN_KEYS = 3_000


class RedisCli:
    """Each test method returns its problem or None; the server is empty when it begins."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def words(self, *options: str) -> Sequence[str]:
        return ["redis-cli", *server_words(self._endpoint), *options]

    def cli(self, *options: str, data: Optional[bytes] = None):
        return run_program(self._endpoint, self.words(*options), data)

    def empty(self) -> None:
        connection = self._endpoint.connect()
        connection.command("FLUSHALL")
        connection.close()

    def load(self, count: int) -> None:
        connection = self._endpoint.connect()
        for start in range(0, count, 100):
            pairs = [f"key:{number}" for number in range(start, min(count, start + 100))]
            connection.command("MSET", *(word for pair in pairs for word in (pair, "value")))
        connection.close()

    def _prints(self, expected: bytes, *options: str, data: bytes = b"") -> Optional[str]:
        result = self.cli(*options, data=data)
        good = result.returncode == 0 and result.stdout == expected
        return None if good else f"expected {expected!r}\n{show(result)}"

    def commands(self) -> Optional[str]:
        return (
            self._prints(b"OK\n", "set", "k", "hello world")
            or self._prints(b'"hello world"\n', "--no-raw", "get", "k")
            or self._prints(b"hello world\n", "get", "k")
            or self._prints(b"(nil)\n", "--no-raw", "get", "absent")
            or self._prints(b"(integer) 1\n", "--no-raw", "incr", "n")
            or self._prints(b'"hello world",NULL\n', "--csv", "mget", "k", "absent")
            or self._prints(b'1) "hello world"\n2) (nil)\n', "--no-raw", "mget", "k", "absent")
        )

    def errors(self) -> Optional[str]:
        result = self.cli("-e", "incr", "a", "b")
        shown = b"wrong number of arguments" in result.stderr + result.stdout
        return None if result.returncode == 1 and shown else show(result)

    def commands_from_stdin(self) -> Optional[str]:
        lines = b'set k "a b"\nget k\nmulti\nincr n\nincr n\nexec\n'
        expected = b"OK\na b\nOK\nQUEUED\nQUEUED\n1\n2\n"
        return self._prints(expected, data=lines) or self._prints(
            b"OK\n", "-x", "set", "stdin", data=b"bin\x00ary\n"
        )

    def resp3(self) -> Optional[str]:
        result = self.cli("-3", "--no-raw", "config", "get", "databases")
        if result.stdout != b'1# "databases" => "16"\n':
            return show(result)
        return self._prints(b"(nil)\n", "-3", "--no-raw", "get", "absent") or self._prints(
            b'{"databases":"16"}\n', "--json", "config", "get", "databases"
        )

    def databases_and_urls(self) -> Optional[str]:
        password = quote(self._endpoint.password or "", safe="")
        secret = f"default:{password}@" if password else ""
        url = f"redis://{secret}{self._endpoint.host}:{self._endpoint.port}/3"
        result = run_program(self._endpoint, ["redis-cli", "-u", url, "set", "k", "three"])
        if result.stdout != b"OK\n":
            return show(result)
        return self._prints(b"three\n", "-n", "3", "get", "k") or self._prints(b"\n", "get", "k")

    def repeats(self) -> Optional[str]:
        return self._prints(b"1\n2\n3\n4\n5\n", "-r", "5", "incr", "n")

    def pipe(self) -> Optional[str]:
        """--pipe ends with an ECHO of 20 random bytes and waits for its reply."""
        commands = [
            encode_command([b"SET", b"key:%d" % number, b"value-%d\x00" % number])
            for number in range(PIPE_COMMANDS)
        ]
        result = self.cli("--pipe", data=b"".join(commands))
        if b"errors: 0, replies: %d" % PIPE_COMMANDS not in result.stdout:
            return show(result)
        return self._prints(b"%d\n" % PIPE_COMMANDS, "dbsize")

    def pipe_counts_errors(self) -> Optional[str]:
        data = b"SET k v\r\nINCR k\r\nGET k\r\n"
        result = self.cli("--pipe", data=data)
        return None if b"errors: 1, replies: 3" in result.stdout else show(result)

    def scan(self) -> Optional[str]:
        self.load(SCAN_KEYS)
        result = self.cli("--scan")
        if sorted(set(result.stdout.split())) != sorted(b"key:%d" % n for n in range(SCAN_KEYS)):
            return f"{len(set(result.stdout.split()))} keys of {SCAN_KEYS}"
        result = self.cli("--scan", "--pattern", "key:*99")
        expected = {b"key:%d" % n for n in range(SCAN_KEYS) if n % 100 == 99}
        return None if set(result.stdout.split()) == expected else show(result)

    def big_keys(self) -> Optional[str]:
        self.load(200)
        self.cli("setrange", "the-biggest", "9999", "x")
        result = self.cli("--bigkeys")
        text = result.stdout.decode()
        good = "Sampled 201 keys" in text and '"the-biggest"\' has 10000 bytes' in text
        return None if good else show(result)

    def memory_keys(self) -> Optional[str]:
        self.load(50)
        self.cli("setrange", "the-biggest", "9999", "x")
        result = self.cli("--memkeys")
        text = result.stdout.decode()
        good = "Sampled 51 keys" in text and re.search(r"\"the-biggest\"' has \d{5,} bytes", text)
        return None if good else show(result)

    def stat(self) -> Optional[str]:
        """--stat prints a line per interval until it is stopped (on a terminal: at once)."""
        self.load(10)
        main, other = pty.openpty()
        with subprocess.Popen(
            self.words("--stat", "-i", "0.1"), stdout=other, env=environment(self._endpoint)
        ) as process:
            os.close(other)
            text = b""
            while text.count(b"\n") < 6 and _readable(main):
                text += os.read(main, 65536)
            process.kill()
        os.close(main)
        lines = [line.split() for line in text.decode().splitlines()]
        counts = [line[0] for line in lines if line and line[0].isdigit()]
        return None if len(counts) >= 3 and set(counts) == {"10"} else text.decode()

    def rdb(self) -> Optional[str]:
        """--rdb fetches a snapshot, or the server refuses and redis-cli says so."""
        self.load(10)
        with tempfile.TemporaryDirectory() as directory:
            target = Path(directory) / "dump.rdb"
            result = self.cli("--rdb", str(target))
            if result.returncode == 0:
                return None if target.read_bytes().startswith(b"REDIS") else show(result)
            refused = re.search(rb"(?i)error|ERR|fail", result.stdout + result.stderr)
            return None if refused else show(result)

    def latency(self) -> Optional[str]:
        """Without a terminal it samples for one interval: minimum, maximum, average, count."""
        result = self.cli("--latency", "-i", "0.3")
        numbers = result.stdout.split()
        good = len(numbers) == 4 and float(numbers[2]) < 1000 and int(numbers[3]) >= 1
        return None if good else show(result)

    def information(self) -> Optional[str]:
        result = self.cli("info")
        headers = re.findall(r"^# (\w+)", result.stdout.decode(), re.MULTILINE)
        wanted = "Server Clients Memory Persistence Stats Replication CPU Keyspace".split()
        missing = [name for name in wanted if name not in headers]
        return f"INFO lacks {missing}\n{show(result)}" if missing else None

    def subscribe(self) -> Optional[str]:
        with subprocess.Popen(
            self.words("--csv", "subscribe", "news"),
            stdout=subprocess.PIPE,
            env=environment(self._endpoint),
        ) as process:
            process.stdout.readline()  # "Reading messages..."
            first = process.stdout.readline()
            self.cli("publish", "news", "hello")
            second = process.stdout.readline()
            process.kill()
        if (first, second) != (b'"subscribe","news",1\n', b'"message","news","hello"\n'):
            return f"{first!r} {second!r}"
        return None

    def monitor(self) -> Optional[str]:
        with subprocess.Popen(
            self.words("monitor"), stdout=subprocess.PIPE, env=environment(self._endpoint)
        ) as process:
            first = process.stdout.readline()
            self.cli("set", "k", "v")
            line = process.stdout.readline()
            while line and b'"set" "k" "v"' not in line:
                line = process.stdout.readline()
            process.kill()
        return None if first == b"OK\n" and line else f"{first!r} {line!r}"

    def interactive(self) -> Optional[str]:
        """On a terminal: the prompt, COMMAND DOCS for the hints, a reply, HELP, quit."""
        main, other = pty.openpty()
        variables = {**environment(self._endpoint), "TERM": "dumb", "HOME": "/nonexistent"}
        with subprocess.Popen(
            self.words(), stdin=other, stdout=other, stderr=other, env=variables
        ) as process:
            os.close(other)
            text = _talk(main, [b"set k hello\n", b"get k\n", b"help get\n", b"quit\n"])
            process.kill()
        os.close(main)
        prompt = f"{self._endpoint.host}:{self._endpoint.port}> ".encode()
        plain = re.sub(rb"\x1b\[\d*m", b"", text)
        good = plain.count(prompt) >= 4 and b'"hello"' in plain and b"GET key" in plain
        return None if good else text.decode(errors="replace")


def _readable(terminal: int) -> bool:
    return bool(select.select([terminal], [], [], 10.0)[0])


def _talk(terminal: int, lines: Sequence[bytes], limit_s: float = 15.0) -> bytes:
    """Sends each line when a prompt is shown; returns all that was written."""
    text, deadline = b"", time.monotonic() + limit_s
    waiting = list(lines)
    prompts = 0
    while waiting and time.monotonic() < deadline:
        ready, _, _ = select.select([terminal], [], [], 0.1)
        if ready:
            try:
                text += os.read(terminal, 65536)
            except OSError:
                break
        if len(re.findall(rb":\d+> ", text)) > prompts:
            prompts += 1
            os.write(terminal, waiting.pop(0))
    return text


def run(report: Report, endpoint: Endpoint) -> None:
    cli = RedisCli(endpoint)
    tests: Dict[str, Callable[[], Optional[str]]] = {
        "commands": cli.commands,
        "errors": cli.errors,
        "commands-from-stdin": cli.commands_from_stdin,
        "resp3": cli.resp3,
        "databases-and-urls": cli.databases_and_urls,
        "repeats": cli.repeats,
        "pipe": cli.pipe,
        "pipe-counts-errors": cli.pipe_counts_errors,
        "scan": cli.scan,
        "bigkeys": cli.big_keys,
        "memkeys": cli.memory_keys,
        "stat": cli.stat,
        "rdb": cli.rdb,
        "latency": cli.latency,
        "info": cli.information,
        "subscribe": cli.subscribe,
        "monitor": cli.monitor,
        "interactive": cli.interactive,
    }
    for name, test in tests.items():

        def run_one(test=test) -> Optional[str]:
            cli.empty()
            return test()

        report.run(f"redis-cli/{name}", run_one)
