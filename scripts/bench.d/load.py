"""Runs kvorum_load and reads what it measured."""

import json
import signal
import statistics
import subprocess
from dataclasses import dataclass

from servers import BenchError

GRACE_S = 120  # what a load may last beyond the time asked of it
SLOWEST_RATE = 2000  # requests/s of a load that is not given up


@dataclass
class Spread:
    """Median and quartiles."""
    median: float
    low: float
    high: float

    @staticmethod
    def of(values):
        if len(values) < 2:
            return Spread(values[0], values[0], values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return Spread(median, low, high)


class Load:
    """A running kvorum_load against `servers`; the options are its flags without the dashes.
    `wrapper` is a command line to put before it."""

    def __init__(self, workspace, program, servers, wrapper=(), **options):
        command = [*wrapper, str(program)]
        for server in servers:
            command += ["--target", f"{server.name}=127.0.0.1:{server.port}"]
            if server.wait_replicas:
                command += ["--wait-replicas", str(server.wait_replicas)]
        for name, value in options.items():
            command += ["--" + name.replace("_", "-"), str(value)]
        rounds = options.get("slices", 1) + options.get("warmup_slices", 0)
        self._limit_s = rounds * len(servers) * options.get("slice_ms", 400) / 1000 + GRACE_S
        if options.get("requests"):
            self._limit_s += rounds * len(servers) * options["requests"] / SLOWEST_RATE
        self._process = workspace.spawn(command, subprocess.PIPE)

    def stop(self):
        self._process.send_signal(signal.SIGTERM)

    def results(self):
        """Waits for the end; a dictionary per target, in the order of the servers."""
        try:
            output, _ = self._process.communicate(timeout=self._limit_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise BenchError(f"the load did not end in {self._limit_s:.0f} s") from None
        if self._process.returncode != 0:
            raise BenchError("the load failed; its message is above")
        targets = json.loads(output)["targets"]
        for target in targets:
            if target["errors"]:
                raise BenchError(f"{target['name']} answered with {target['errors']} errors: "
                                 f"{target['first_error']}")
        return targets


def slice_ratios(targets, value):
    """`value` of each slice of the first target over that of the slice of the second beside it."""
    first, second = targets
    return Spread.of([value(a) / value(b) for a, b in zip(first["slices"], second["slices"])])


def windows(target, begin=0.0, end=float("inf")):
    """Those that lie in the time given (time.monotonic)."""
    return [w for s in target["slices"] for w in s["windows"] if begin <= w["start"] < end]


def percentile_us(some_windows, fraction):
    buckets = sorted((edge, count) for w in some_windows for edge, count in w["buckets_us"])
    left = fraction * sum(count for _, count in buckets)
    for edge, count in buckets:
        left -= count
        if left <= 0:
            return edge
    raise BenchError("no latencies in the time looked at")
