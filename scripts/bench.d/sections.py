"""Sections measured under load: throughput, tail latency, instructions per request."""

import contextlib
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from load import Load, Spread, slice_ratios
from report import Goal, Row, plain_row
from servers import BenchError, Server, Workspace

CONNECTIONS = 50
COUNTED_KEYS = 100_000  # for instructions: filling them takes a while under valgrind


@dataclass
class Scale:
    """How much is measured; the goals are about the whole, `--quick` shows that it runs."""
    slices: int = 40
    slice_ms: int = 450
    keys: int = 1_000_000
    dataset_keys: int = 5_000_000
    growth_keys: int = 10_000_000
    repeats: int = 3
    stall_rate: int = 50_000
    baseline_ms: int = 6_000
    counted_requests: int = 200_000
    failovers: int = 20
    missed_records: int = 1_000_000
    election_minutes: float = 10

    @staticmethod
    def quick():
        return Scale(slices=8, slice_ms=250, keys=100_000, dataset_keys=500_000,
                     growth_keys=1_000_000, repeats=2, baseline_ms=2_000, counted_requests=50_000,
                     failovers=5, missed_records=100_000, election_minutes=0.25)


@dataclass
class Bench:
    """What every section needs. Server A is the subject (kvorum), B the reference (redis)."""
    workspace: Workspace
    build_dir: Path
    templates: tuple[str, str]
    names: tuple[str, str]
    scale: Scale
    details: dict = field(default_factory=dict)

    @contextlib.contextmanager
    def servers(self):
        """Both servers, not started; stopped and their data removed at the end."""
        pair = [Server(self.workspace, name, template, self.build_dir)
                for name, template in zip(self.names, self.templates)]
        try:
            yield pair
        finally:
            for server in pair:
                server.stop()
                server.remove_data()

    @contextlib.contextmanager
    def running(self, durability):
        with self.servers() as pair:
            for server in pair:
                server.start(durability)
            yield pair

    def load(self, servers, **options):
        return Load(self.workspace, self.build_dir / "kvorum_load", servers, **options)

    def fill(self, servers, keys):
        """Writes the keys 0 … keys - 1 into each server, and checks that they are there."""
        self.load(servers, workload="set", order="sequential", keys=keys, requests=keys,
                  connections=CONNECTIONS, pipeline=64, slice_ms=0).results()
        for server in servers:
            with contextlib.closing(server.client()) as client:
                present = client.command("DBSIZE")
            if present != keys:
                raise BenchError(f"{server.name} has {present} keys instead of {keys}")


def rotated(servers, turn):
    return servers if turn % 2 == 0 else servers[::-1]


def throughput(bench, servers, section, workload, pipeline, goal_ratio):
    """One Row and the targets: alternating slices in the closed loop."""
    cpu_s = [server.cpu_s() for server in servers]
    targets = bench.load(servers, workload=workload, keys=bench.scale.keys, pipeline=pipeline,
                         connections=CONNECTIONS, slices=bench.scale.slices,
                         slice_ms=bench.scale.slice_ms, warmup_slices=2).results()
    for server, target, before in zip(servers, targets, cpu_s):
        target["server_cpu_s"] = round(server.cpu_s() - before, 2)  # warm-up included
        if target["nils"]:
            raise BenchError(f"{server.name} answered nil to {target['nils']} GETs of present keys")
    label = f"{workload.upper()} c={CONNECTIONS} P={pipeline}"
    bench.details[f"{section}: {label}"] = targets
    rates = [Spread.of([s["rate"] for s in target["slices"]]).median for target in targets]
    busy = max(target["generator_busy"] for target in targets)
    return Row(section, label, "/s", *rates, slice_ratios(targets, lambda s: s["rate"]),
               higher_is_better=True, goal=Goal("ratio", at_least=goal_ratio),
               note="the load generator was the limit" if busy > 0.95 else ""), targets


def get(bench):
    with bench.running("none") as servers:
        bench.fill(servers, bench.scale.keys)
        return [throughput(bench, servers, "get", "get", pipeline, goal)[0]
                for pipeline, goal in ((1, 1.0), (16, 1.5), (64, 2.0))]


def set_durable(bench):
    rows = []
    with bench.running("always") as servers:
        bench.fill(servers, bench.scale.keys)
        for pipeline, goal in ((1, 1.3), (16, 1.8)):
            row, targets = throughput(bench, servers, "set, fsync always", "set", pipeline, goal)
            rows.append(row)
            rows.append(Row(row.section, row.label + " p99.9", "ms",
                            *(t["latency_us"]["p99.9"] / 1000 for t in targets),
                            slice_ratios(targets, lambda s: s["latency_us"]["p99.9"]),
                            goal=Goal("ratio", at_most=0.5)))
    return rows


def instructions(bench):
    counter = instruction_counter(bench)
    rows = []
    # Redis's SET keeps no log here: the goal compares ours, log and fsync included, with that.
    for workload, durability, goal in (("get", ("none", "none"), 1500),
                                       ("set", ("always", "none"), 2500)):
        with bench.servers() as servers:
            counts = [counter(bench, server, mode, workload)
                      for server, mode in zip(servers, durability)]
        label = f"{workload.upper()} P=16, user space"
        rows.append(plain_row("instructions", label, "", *counts,
                              goal=Goal("ours", at_most=goal)))
    rows[-1].note = (f"{bench.names[0]} with log and fsync, {bench.names[1]} without any log; "
                     f"counted by {counter.__name__.removeprefix('count_with_')}")
    return rows


def instruction_counter(bench):
    probe = ["perf", "stat", "-x,", "-e", "instructions:u", "true"]
    if shutil.which("perf"):
        outcome = subprocess.run(probe, capture_output=True, text=True, check=False)
        if outcome.returncode == 0 and re.match(r"\d+,", outcome.stderr):
            return count_with_perf
    if shutil.which("valgrind") and shutil.which("callgrind_control"):
        return count_with_callgrind
    raise BenchError("not supported: perf counts no instructions here and valgrind is missing")


def run_counted_load(bench, server, workload, wrapper=()):
    bench.load([server], wrapper=wrapper, workload=workload, keys=COUNTED_KEYS, slice_ms=0,
               requests=bench.scale.counted_requests, connections=CONNECTIONS,
               pipeline=16).results()


def count_with_perf(bench, server, durability, workload):
    server.start(durability)
    bench.fill([server], COUNTED_KEYS)
    count = perf_count(bench, server, workload)
    server.stop()
    return count


def perf_count(bench, server, workload):
    output = bench.workspace.path / "perf.csv"
    run_counted_load(bench, server, workload, ["perf", "stat", "-x,", "-e", "instructions:u", "-o",
                                               str(output), "-p", str(server.pid), "--"])
    counted = re.search(r"^(\d+),", output.read_text(), re.MULTILINE)
    if counted is None:
        raise BenchError("perf counted nothing: " + output.read_text().strip())
    return int(counted[1]) / bench.scale.counted_requests


def count_with_callgrind(bench, server, durability, workload):
    output = bench.workspace.path / f"callgrind.{server.name}.{workload}"
    server.start(durability, callgrind_wrapper(output))
    bench.fill([server], COUNTED_KEYS)
    return callgrind_count(bench, server, workload, output)


def callgrind_wrapper(output):
    return ["valgrind", "--tool=callgrind", f"--callgrind-out-file={output}"]


def callgrind_count(bench, server, workload, output):
    """Of a server that callgrind_wrapper(output) has started; stops it."""
    dump = ["callgrind_control", "--dump", str(server.pid)]  # and starts again from zero
    subprocess.run(dump, check=True, capture_output=True, timeout=60)
    run_counted_load(bench, server, workload)
    subprocess.run(dump, check=True, capture_output=True, timeout=60)
    server.stop()
    totals = re.search(r"^totals: (\d+)", Path(f"{output}.2").read_text(), re.MULTILINE)
    return int(totals[1]) / bench.scale.counted_requests
