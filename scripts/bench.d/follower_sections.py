"""Sections about followers: what they serve, what they cost the leader, how they get in step, and
whether they stay loyal under load."""

import contextlib
import time

import sections
from cluster_sections import running
from clusters import POLL_S, Cluster
from load import Spread, slice_ratios
from report import Goal, Row
from sections import CONNECTIONS
from servers import KVORUM_SNAPSHOTS, BenchError, ReplyError, Server

GET_LOADS = ((1, 0.9), (16, 0.9))  # pipeline, goal
IN_STEP_LIMIT_S = 600
FULL_LOAD = {"connections": 50, "pipeline": 16}
# A node that is counted by valgrind is slow, and is to answer and to stay leader all the same.
PATIENT_FLAGS = ["--election-timeout-ms", "5000", "--heartbeat-ms", "200",
                 "--write-timeout-ms", "60000"]


def own_cluster(bench):
    cluster = Cluster(bench.workspace, bench.names[0], bench.templates[0], bench.build_dir)
    if cluster.replicas_are_told_of_primary:
        raise BenchError("not supported: this section is about kvorum's own followers")
    return cluster


def replication_of(server):
    """INFO replication; empty while the server does not answer."""
    try:
        with contextlib.closing(server.client()) as client:
            return client.info("replication")
    except (ReplyError, OSError):
        return {}


def offset_of(leader):
    return int(replication_of(leader)["master_repl_offset"])


def wait_until_in_step(server, offset):
    """Returns when the server follows, and has everything up to `offset`: time.monotonic()."""
    deadline = time.monotonic() + IN_STEP_LIMIT_S
    while time.monotonic() < deadline:
        info = replication_of(server)
        if (info.get("master_link_status") == "up"
                and info.get("master_sync_in_progress") == "0"
                and int(info.get("slave_repl_offset", -1)) >= offset):
            return time.monotonic()
        time.sleep(POLL_S)
    raise BenchError(f"{server.name} does not get in step in {IN_STEP_LIMIT_S} s")


def a_follower(cluster):
    leader = cluster.wait_until_complete()
    return leader, next(server for server in cluster.servers if server is not leader)


def get(bench):
    """GET on a follower beside GET on a node that is alone: the second column is that one."""
    cluster = own_cluster(bench)
    alone = Server(bench.workspace, "alone", bench.templates[0], bench.build_dir)
    rows = []
    with running([cluster]), contextlib.ExitStack() as cleanup:
        cleanup.callback(alone.remove_data)
        cleanup.callback(alone.stop)
        alone.start("always")
        bench.fill([cluster.wait_until_complete(), alone], bench.scale.keys)
        leader, follower = a_follower(cluster)
        wait_until_in_step(follower, offset_of(leader))
        for pipeline, goal in GET_LOADS:
            targets = bench.load([follower, alone], workload="get", keys=bench.scale.keys,
                                 connections=CONNECTIONS, pipeline=pipeline,
                                 slices=bench.scale.slices, slice_ms=bench.scale.slice_ms,
                                 warmup_slices=2).results()
            if any(target["nils"] for target in targets):
                raise BenchError("nil was answered to GETs of present keys")
            label = f"GET c={CONNECTIONS} P={pipeline}"
            bench.details[f"follower-get: {label}"] = targets
            rates = [Spread.of([s["rate"] for s in target["slices"]]).median
                     for target in targets]
            rows.append(Row("follower / node alone", label, "/s", *rates,
                            slice_ratios(targets, lambda s: s["rate"]),
                            higher_is_better=True, goal=Goal("ratio", at_least=goal),
                            note="the second column is a node alone, of the same build"))
    return rows


def cost(bench):
    """User instructions of a leader for a SET beyond those of a node alone."""
    counter = sections.instruction_counter(bench)
    cluster = own_cluster(bench)
    alone = Server(bench.workspace, "alone", bench.templates[0], bench.build_dir)
    alone.more_flags = PATIENT_FLAGS
    try:
        single = counter(bench, alone, "always", "set")
    finally:
        alone.stop()
        alone.remove_data()
    leading = leader_instructions(bench, cluster, counter)
    note = (f"{leading:,.0f} as leader of three, {single:,.0f} alone; counted by "
            f"{counter.__name__.removeprefix('count_with_')}")
    return [Row("cost", "user instructions of replication per SET P=16", "", leading - single,
                None, None, goal=Goal("ours", at_most=1500), note=note)]


def leader_instructions(bench, cluster, counter):
    counted = cluster.servers[0]
    by_perf = counter is sections.count_with_perf
    output = bench.workspace.path / "callgrind.leader"
    for server in cluster.servers:
        server.more_flags += PATIENT_FLAGS
    try:
        for server in cluster.servers:
            wrapped = server is counted and not by_perf
            server.launch("always", sections.callgrind_wrapper(output) if wrapped else ())
        make_leader(cluster, counted)
        bench.fill([counted], sections.COUNTED_KEYS)
        if by_perf:
            return sections.perf_count(bench, counted, "set")
        return sections.callgrind_count(bench, counted, "set", output)
    finally:
        cluster.close()


def make_leader(cluster, wanted):
    leader = cluster.wait_until_complete()
    while leader is not wanted:
        with contextlib.closing(leader.client()) as client:
            client.command("FAILOVER", "TO", "127.0.0.1", wanted.port)
        time.sleep(0.5)
        leader = cluster.wait_until_complete()


def full_sync(bench):
    """An empty follower, or replica, from its start until it has everything."""
    keys = bench.scale.dataset_keys
    clusters = [Cluster(bench.workspace, name, template, bench.build_dir)
                for name, template in zip(bench.names, bench.templates)]
    for cluster in clusters:
        if cluster.replicas_are_told_of_primary:
            for server in cluster.servers:  # it waits five seconds for more replicas to come
                server.more_flags += ["--repl-diskless-sync-delay", "0"]
    seconds = {name: [] for name in bench.names}
    with running(clusters), contextlib.ExitStack() as cleanup:
        # A redis that writes its first log after a sync ignores SIGTERM.
        cleanup.callback(kill_all, clusters)
        for cluster in clusters:
            leader = cluster.wait_until_complete()
            leader.wait_replicas = 0
            bench.fill([leader], keys)
        for turn in range(bench.scale.repeats):
            for cluster in sections.rotated(clusters, turn):
                seconds[cluster.name].append(full_sync_round(cluster, keys))
    bench.details["full-sync"] = seconds
    ours, theirs = seconds.values()
    return [Row("full sync", f"{keys / 1e6:g} M keys, an empty follower joins", "s",
                Spread.of(ours).median, Spread.of(theirs).median,
                Spread.of([a / b for a, b in zip(ours, theirs)]), goal=Goal("ratio", at_most=0.5))]


def kill_all(clusters):
    for cluster in clusters:
        for server in cluster.servers:
            server.kill()


def full_sync_round(cluster, keys):
    leader, follower = a_follower(cluster)
    follower.kill()
    follower.remove_data()
    follower.data_dir.mkdir()
    begin = follower.launch("always")
    end = wait_until_in_step(follower, offset_of(leader))
    with contextlib.closing(follower.client()) as client:
        present = client.command("DBSIZE")
    if present != keys:
        raise BenchError(f"{follower.name} joined with {present} of {keys} keys")
    return end - begin


def catch_up(bench):
    """A follower that was away comes back: from when it answers until it has what it missed. Its
    log is there, so it gets records and no snapshot."""
    missed = bench.scale.missed_records
    cluster = own_cluster(bench)
    for server in cluster.servers:
        server.more_flags += KVORUM_SNAPSHOTS["log"].split()
    rates = []
    with running([cluster]):
        for _ in range(bench.scale.repeats):
            leader, follower = a_follower(cluster)
            follower.stop()
            bench.load([leader], workload="set", keys=bench.scale.keys, requests=missed,
                       connections=CONNECTIONS, pipeline=64, slice_ms=0).results()
            offset = offset_of(leader)
            begin = follower.start("always") and time.monotonic()
            rates.append(missed / (wait_until_in_step(follower, offset) - begin))
    spread = Spread.of(rates)
    bench.details["catch-up"] = rates
    return [Row("catch-up", f"a follower that is {missed / 1e6:g} M records behind", "records/s",
                spread.median, None, None, higher_is_better=True,
                goal=Goal("ours", at_least=500_000),
                note=f"{len(rates)} rounds, from {min(rates):,.0f} to {max(rates):,.0f}; "
                "connecting is included")]


def elections(bench):
    """Terms that began while clients wrote as fast as they could and nothing else happened."""
    minutes = bench.scale.election_minutes
    cluster = own_cluster(bench)
    with running([cluster]):
        leader = cluster.wait_until_complete()
        before = term_of(leader)
        result = bench.load([leader], workload="set", keys=bench.scale.keys, slices=1,
                            slice_ms=int(minutes * 60_000), **FULL_LOAD).results()[0]
        began = max(term_of(server) for server in cluster.servers) - before
    rate = result["slices"][0]["rate"]
    bench.details["elections"] = {"minutes": minutes, "elections": began, "rate": rate}
    return [Row("elections", f"false elections in {minutes:g} minutes of full load", "", began,
                None, None, goal=Goal("ours", at_most=0),
                note=f"{FULL_LOAD['connections']} clients, pipeline of {FULL_LOAD['pipeline']}: "
                f"{rate:,.0f} SET/s on the average")]


def term_of(server):
    with contextlib.closing(server.client()) as client:
        return int(client.info("quorum")["term"])
