"""Sections about three servers: writes that a majority has on disk, and the death of a leader."""

import contextlib

from clusters import Cluster
from failover_clients import FailoverClients
from load import Spread, slice_ratios
from report import Row
from servers import BenchError

# connections, pipeline, requests per second (0: as many as there are answers to)
QUORUM_LOADS = ((1, 1, 0), (50, 1, 0), (50, 16, 0), (200, 1, 0), (50, 1, 8000), (200, 1, 8000))
FAILOVER_CLIENTS = 50


@contextlib.contextmanager
def running(clusters):
    try:
        for cluster in clusters:
            cluster.start()
        yield
    finally:
        for cluster in clusters:
            cluster.close()


def quorum(bench):
    """SET, answered when two of three have it on disk: kvorum's answer, or redis' to the WAIT 1
    that is sent behind each SET."""
    clusters = [Cluster(bench.workspace, name, template, bench.build_dir)
                for name, template in zip(bench.names, bench.templates)]
    rows = []
    with running(clusters):
        for connections, pipeline, rate in QUORUM_LOADS:
            leaders = [cluster.wait_until_complete() for cluster in clusters]
            targets = bench.load(leaders, workload="set", keys=bench.scale.keys,
                                 connections=connections, pipeline=pipeline, rate=rate,
                                 slices=bench.scale.slices,
                                 slice_ms=bench.scale.slice_ms, warmup_slices=2).results()
            label = f"SET c={connections} P={pipeline}" + (f" at {rate:,} /s" if rate else "")
            bench.details[f"quorum: {label}"] = targets
            rows += quorum_rows(label, targets, rate == 0)
    return rows


def quorum_rows(label, targets, as_many_as_possible):
    rows = []
    if as_many_as_possible:
        rates = [Spread.of([s["rate"] for s in target["slices"]]).median for target in targets]
        rows.append(Row("quorum", label, "/s", *rates, slice_ratios(targets, lambda s: s["rate"]),
                        higher_is_better=True, drawn=True))
    for name in ("p50", "p99", "p99.9"):
        rows.append(Row("quorum", f"{label} {name}", "ms",
                        *(target["latency_us"][name] / 1000 for target in targets),
                        slice_ratios(targets, lambda s, name=name: s["latency_us"][name]),
                        drawn=name == "p99"))
    return rows


def failover(bench):
    """Ours alone: a redis primary that dies has no successor by itself."""
    cluster = Cluster(bench.workspace, bench.names[0], bench.templates[0], bench.build_dir)
    if cluster.replicas_are_told_of_primary:
        raise BenchError("not supported: this server elects nobody")
    rounds = []
    with running([cluster]):
        clients = FailoverClients([server.port for server in cluster.servers], FAILOVER_CLIENTS)
        with contextlib.closing(clients):
            for _ in range(bench.scale.failovers):
                rounds.append(failover_round(cluster, clients))
            cluster.wait_until_complete()
            lost = clients.lost_writes()
    bench.details["failover"] = {"rounds": rounds, "acknowledged_writes": clients.acknowledged,
                                 "unknown_writes": clients.unknown, "lost": len(lost),
                                 "refusals": clients.refusals}
    if lost:
        raise BenchError(f"{len(lost)} of {clients.acknowledged} acknowledged writes are lost, "
                         f"such as {lost[0]}")
    gaps = Spread.of([r["gap_ms"] for r in rounds])
    longest = max(r["gap_ms"] for r in rounds)
    note = (f"{len(rounds)} rounds, quartiles {gaps.low:.0f} and {gaps.high:.0f} ms; "
            f"{clients.acknowledged:,} acknowledged writes were looked for: none is lost")
    return [Row("failover", f"no write acknowledged after kill -9 of the leader, "
                f"{FAILOVER_CLIENTS} clients, median", "ms", gaps.median, None, None, note=note),
            Row("failover", "the same, longest", "ms", longest, None, None)]


def failover_round(cluster, clients):
    leader = cluster.wait_until_complete()
    clients.run(0.5)
    killed = clients.now()
    leader.kill()
    gap_s = clients.run_until_acknowledged_again(killed)
    clients.run(0.5)
    leader.launch("always")
    return {"gap_ms": round(gap_s * 1000, 1), "leader": cluster.servers.index(leader) + 1}
