"""Sections about a whole data set: memory, start-up, snapshots under load, growth."""

import contextlib
import time

from load import Spread, percentile_us, windows
from report import Goal, Row, plain_row
from sections import CONNECTIONS, rotated
from servers import BenchError, ReplyError

POLL_S = 0.05
SETTLE_LIMIT_S = 20
SNAPSHOT_LIMIT_S = 300
PAUSE_US = 2000
GENERATOR_LAG_MS = 1.0  # more than that and the latencies are about the machine


def ratio_of(pairs):
    return Spread.of([ours / theirs for ours, theirs in pairs])


def settled_rss_bytes(server):
    """Once freed pages have gone back: two looks a second apart that differ by less than 0.1 %."""
    before = server.rss_bytes()
    for _ in range(SETTLE_LIMIT_S):
        time.sleep(1)
        after = server.rss_bytes()
        if abs(after - before) < after / 1000:
            return after
        before = after
    return before


def memory(bench):
    keys = bench.scale.dataset_keys
    with bench.running("none") as servers:
        empty = [settled_rss_bytes(server) for server in servers]
        bench.fill(servers, keys)
        per_key = [(settled_rss_bytes(s) - before) / keys for s, before in zip(servers, empty)]
    return [plain_row("memory", f"{keys / 1e6:g} M keys of 16 bytes, values of 64", "B/key",
                      *per_key, goal=Goal("ratio", at_most=0.65))]


def startup(bench):
    return [startup_row(bench, "log", "from the log"),
            startup_row(bench, "none", "from a snapshot")]


def startup_row(bench, durability, label):
    keys = bench.scale.dataset_keys
    seconds = {name: [] for name in bench.names}
    with bench.running(durability) as servers:
        bench.fill(servers, keys)
        for server in servers:
            if durability == "none":
                take_snapshot(server)
            server.stop()
        for turn in range(bench.scale.repeats):
            for server in rotated(servers, turn):
                seconds[server.name].append(server.start(durability))
                with contextlib.closing(server.client()) as client:
                    present = client.command("DBSIZE")
                if present != keys:
                    raise BenchError(f"{server.name} came back with {present} of {keys} keys")
                server.stop()
    ours, theirs = seconds.values()
    return Row("start-up", f"{keys / 1e6:g} M keys {label}", "s", Spread.of(ours).median,
               Spread.of(theirs).median, ratio_of(zip(ours, theirs)),
               goal=Goal("ratio", at_most=0.5))


def snapshot_running(client):
    return client.info("persistence").get("rdb_bgsave_in_progress") == "1"


def begin_snapshot(client):
    """A snapshot that the server began by itself is waited for first."""
    deadline = time.monotonic() + SNAPSHOT_LIMIT_S
    while True:
        try:
            return client.command("BGSAVE")
        except ReplyError:
            if not snapshot_running(client) or time.monotonic() > deadline:
                raise
            time.sleep(POLL_S)


def wait_for_snapshot(client, look=lambda: None):
    deadline = time.monotonic() + SNAPSHOT_LIMIT_S
    while snapshot_running(client):
        if time.monotonic() > deadline:
            raise BenchError(f"the snapshot did not end in {SNAPSHOT_LIMIT_S} s")
        look()
        time.sleep(POLL_S)
    status = client.info("persistence").get("rdb_last_bgsave_status")
    if status != "ok":
        raise BenchError(f"the snapshot failed: rdb_last_bgsave_status is {status}")


def take_snapshot(server):
    with contextlib.closing(server.client()) as client:
        begin_snapshot(client)
        wait_for_snapshot(client)


class MemoryPeak:
    """The most memory seen: the server's RSS, and what its children hold on top."""

    CHILD_LOOK_S = 0.5  # walking page tables takes processor time from the server

    def __init__(self, server):
        self._server = server
        self._next_child_look = 0.0
        self._copies = 0
        self.bytes = 0

    def look(self):
        if time.monotonic() >= self._next_child_look:
            self._copies = self._server.child_copies_bytes()
            self._next_child_look = time.monotonic() + self.CHILD_LOOK_S
        self.bytes = max(self.bytes, self._server.quick_rss_bytes() + self._copies)


def stall_round(bench, server):
    """p99.9 in ms without and with a snapshot in progress, and peak memory over that before."""
    load = {"workload": "set", "keys": bench.scale.dataset_keys, "rate": bench.scale.stall_rate,
            "connections": CONNECTIONS, "window_ms": 20}
    with contextlib.closing(server.client()) as client:
        wait_for_snapshot(client)
        calm = bench.load([server], slice_ms=bench.scale.baseline_ms, **load).results()[0]
        before = server.quick_rss_bytes()
        running = bench.load([server], slice_ms=SNAPSHOT_LIMIT_S * 1000, **load)
        time.sleep(0.5)
        peak = MemoryPeak(server)
        begin = time.monotonic()
        begin_snapshot(client)
        wait_for_snapshot(client, peak.look)
        end = time.monotonic()
        own_count = int(client.info("persistence").get("rdb_last_cow_size", 0))
        running.stop()
    busy = windows(running.results()[0], begin - 0.02, end)
    return {"calm_ms": percentile_us(windows(calm), 0.999) / 1000,
            "snapshot_ms": percentile_us(busy, 0.999) / 1000,
            "snapshot_max_ms": max(w["max"] for w in busy) / 1000,
            "snapshot_s": end - begin,
            "generator_lag_ms": calm["send_lag_us"]["p99.9"] / 1000,
            "memory_ratio": max(peak.bytes, before + own_count) / before}


def stall(bench):
    rounds = {name: [] for name in bench.names}
    with bench.running("none") as servers:
        bench.fill(servers, bench.scale.dataset_keys)
        for server in servers:
            take_snapshot(server)
        for turn in range(bench.scale.repeats):
            for server in rotated(servers, turn):
                rounds[server.name].append(stall_round(bench, server))
    bench.details["stall"] = rounds

    def row(label, unit, value, goal=None):
        ours, theirs = ([value(one) for one in each] for each in rounds.values())
        return Row("stall", label, unit, Spread.of(ours).median, Spread.of(theirs).median,
                   ratio_of(zip(ours, theirs)), goal=goal)

    rate = f"{bench.scale.stall_rate:,} SET/s"
    rows = [row(f"{rate}, p99.9, no snapshot", "ms", lambda r: r["calm_ms"]),
            row(f"{rate}, p99.9, snapshot of {bench.scale.dataset_keys / 1e6:g} M keys", "ms",
                lambda r: r["snapshot_ms"]),
            row("p99.9 with / without snapshot", "×", lambda r: r["snapshot_ms"] / r["calm_ms"],
                Goal("ours", at_most=2)),
            row("peak memory in it / before", "×", lambda r: r["memory_ratio"],
                Goal("ours", at_most=1.1))]
    lag_ms = max(r["generator_lag_ms"] for each in rounds.values() for r in each)
    if lag_ms > GENERATOR_LAG_MS:
        rows[0].note = f"a busy machine: the generator itself was {lag_ms:.1f} ms late (p99.9)"
    return rows


def growth(bench):
    """Few requests in flight, so that a latency over 2 ms is a pause and not a queue."""
    slices = 40
    keys = bench.scale.growth_keys
    load = {"workload": "set", "order": "sequential", "keys": keys, "requests": keys // slices,
            "slice_ms": 0, "connections": 8, "pipeline": 4, "window_ms": 10}
    with bench.running("none") as servers:
        growing = bench.load(servers, slices=slices, **load).results()
        steady = bench.load(servers, slices=slices // 4, **load).results()
    rows = []
    for label, targets, goal in ((f"0 → {keys / 1e6:g} M keys", growing,
                                  Goal("ours", at_most=PAUSE_US / 1000)),
                                 ("the same without growing", steady, None)):
        longest = [max(w["max"] for w in windows(target)) / 1000 for target in targets]
        pauses = [sum(w["max"] > PAUSE_US for w in windows(target)) for target in targets]
        rows.append(plain_row("growth", f"longest pause, {label}", "ms", *longest, goal=goal))
        rows.append(Row("growth", f"10 ms windows with a pause over 2 ms, {label}", "", *pauses,
                        ratio=None))
        p9999 = [percentile_us(windows(target), 0.9999) / 1000 for target in targets]
        rows.append(plain_row("growth", f"p99.99, {label}", "ms", *p9999))
    return rows
