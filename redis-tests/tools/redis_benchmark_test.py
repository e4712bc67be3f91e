"""redis-benchmark's string tests: they run, nothing fails, and the writes are really there."""

import csv
import io
import re
from typing import Callable, Dict, Optional

from harness.report import Report
from harness.servers import Endpoint
from tools.program import run_program, server_words, show

TESTS = "set,get,incr,mset"
ROWS = {"SET", "GET", "INCR", "MSET (10 keys)"}


class Benchmark:
    def __init__(self, endpoint: Endpoint, requests: int) -> None:
        self._endpoint = endpoint
        self._requests = requests

    def _run(self, *options: str):
        words = ["redis-benchmark", *server_words(self._endpoint), "--csv"]
        if self._endpoint.password:
            words += ["-a", self._endpoint.password]
        return run_program(self._endpoint, [*words, *options], timeout_s=120)

    def _all_rows(self, *options: str) -> Optional[str]:
        connection = self._endpoint.connect()
        connection.command("FLUSHALL")
        result = self._run("-t", TESTS, "-n", str(self._requests), *options)
        text = result.stdout.decode()
        rows = {row[0]: row for row in csv.reader(io.StringIO(text)) if len(row) > 2}
        if result.returncode != 0 or not ROWS <= set(rows) or re.search(r"(?i)error", text):
            return show(result)
        if any(float(rows[name][1]) <= 0 for name in ROWS):
            return show(result)
        return self._counter_is_there(connection)

    def _counter_is_there(self, connection) -> Optional[str]:
        """INCR without -r counts in one key: every request that was answered."""
        counter = int(connection.command("GET", "counter:__rand_int__").body or b"0")
        connection.close()
        if counter < self._requests:
            return f"{self._requests} INCR were answered, the counter is {counter}"
        return None

    def pipelined(self) -> Optional[str]:
        return self._all_rows("-P", "16", "-c", "50")

    def many_connections(self) -> Optional[str]:
        return self._all_rows("-P", "1", "-c", "500")

    def big_values(self) -> Optional[str]:
        return self._all_rows("-P", "4", "-c", "20", "-d", "4096")

    def random_keys(self) -> Optional[str]:
        result = self._run("-t", "set", "-n", str(self._requests), "-r", "1000", "-P", "8")
        return None if result.returncode == 0 and b'"SET"' in result.stdout else show(result)

    def own_command(self) -> Optional[str]:
        result = self._run("-n", "1000", "-P", "4", "append", "grows", "x")
        if result.returncode != 0:
            return show(result)
        connection = self._endpoint.connect()
        length = connection.command("STRLEN", "grows").integer()
        connection.command("FLUSHALL")
        connection.close()
        return None if length and length >= 1000 else f"after 1000 APPEND the length is {length}"


def run(report: Report, endpoint: Endpoint, quick: bool) -> None:
    benchmark = Benchmark(endpoint, 5_000 if quick else 20_000)
    tests: Dict[str, Callable[[], Optional[str]]] = {
        "pipelined": benchmark.pipelined,
        "many-connections": benchmark.many_connections,
        "big-values": benchmark.big_values,
        "random-keys": benchmark.random_keys,
        "own-command": benchmark.own_command,
    }
    for name, test in tests.items():
        report.run(f"redis-benchmark/{name}", test)
