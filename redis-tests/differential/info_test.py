"""INFO: the fields that clients and dashboards read, and counters that count as the reference's."""

import time
from typing import Callable, Dict, List, Optional

from harness.connection import Connection
from harness.player import Player
from harness.report import Report

FIELDS = {
    "server": (
        "redis_version redis_mode os arch_bits process_id run_id tcp_port uptime_in_seconds"
        " uptime_in_days"
    ),
    "clients": "connected_clients maxclients blocked_clients",
    "memory": (
        "used_memory used_memory_human used_memory_rss used_memory_peak maxmemory maxmemory_human"
        " maxmemory_policy mem_fragmentation_ratio mem_allocator"
    ),
    "persistence": "loading rdb_changes_since_last_save rdb_bgsave_in_progress rdb_last_save_time"
    " rdb_last_bgsave_status aof_enabled",
    "stats": (
        "total_connections_received total_commands_processed instantaneous_ops_per_sec"
        " total_net_input_bytes total_net_output_bytes rejected_connections expired_keys"
        " evicted_keys keyspace_hits keyspace_misses pubsub_channels pubsub_patterns"
        " total_error_replies"
    ),
    "replication": (
        "role connected_slaves master_failover_state master_replid master_replid2"
        " master_repl_offset second_repl_offset repl_backlog_active repl_backlog_size"
        " repl_backlog_first_byte_offset repl_backlog_histlen"
    ),
    "cpu": "used_cpu_sys used_cpu_user",
}


def read_info(connection: Connection, *sections: str) -> Dict[str, str]:
    text = (connection.command("INFO", *sections).body or b"").decode()
    lines = [line.split(":", 1) for line in text.splitlines() if ":" in line and line[0] != "#"]
    return {name: value for name, value in lines}


def fields_are_there(player: Player) -> Optional[str]:
    subject = player.subject.connection("a")
    everything = read_info(subject)
    problems: List[str] = []
    for section, names in FIELDS.items():
        text = (subject.command("INFO", section.upper()).body or b"").decode()
        if not text.startswith(f"# {'CPU' if section == 'cpu' else section.capitalize()}\r\n"):
            problems.append(f"INFO {section} begins with {text[:30]!r}")
        if text.count("# ") != 1:
            problems.append(f"INFO {section} has more than one section")
        own = [line.split(":")[0] for line in text.split("\r\n")]
        problems += [f"{section}: no {name}" for name in names.split() if name not in own]
        problems += [f"INFO: no {name}" for name in names.split() if name not in everything]
    return "\n".join(problems) or None


def replication_order(player: Player) -> Optional[str]:
    text = player.subject.connection("a").command("INFO", "replication").body.decode()
    names = [line.split(":")[0] for line in text.split("\r\n")[1:] if line]
    wanted = FIELDS["replication"].split()
    return None if [name for name in names if name in wanted] == wanted else f"order: {names}"


def sections_can_be_chosen(player: Player) -> Optional[str]:
    subject = player.subject.connection("a")

    def headers(*sections: str) -> List[str]:
        text = (subject.command("INFO", *sections).body or b"").decode()
        return [line for line in text.split("\r\n") if line.startswith("#")]

    if headers("nosuch"):
        return f"INFO nosuch has {headers('nosuch')}"
    if set(headers("server", "CLIENTS")) != {"# Server", "# Clients"}:
        return f"INFO server CLIENTS has {headers('server', 'CLIENTS')}"
    if not set(headers()) <= set(headers("default")) or not headers():
        return f"INFO has {headers()}, INFO default has {headers('default')}"
    for name in ("all", "everything"):
        if not {"# Commandstats", *headers()} <= set(headers(name)):
            return f"INFO {name} has only {headers(name)}"
    return None


def values_are_true(player: Player) -> Optional[str]:
    subject = player.subject.connection("a")
    info = read_info(subject)
    checks = {
        "tcp_port": info.get("tcp_port") == str(player.subject.endpoint.port),
        "role": info.get("role") == "master",
        "redis_mode": info.get("redis_mode") == "standalone",
        "loading": info.get("loading") == "0",
        "run_id": len(info.get("run_id", "")) == 40,
        "master_replid": len(info.get("master_replid", "")) == 40,
        "used_memory": int(info.get("used_memory", "0")) > 100_000,
        "connected_clients": int(info.get("connected_clients", "0")) >= 2,
        "uptime_in_seconds": int(info.get("uptime_in_seconds", "-1")) >= 0,
    }
    return "\n".join(f"{name} is {info.get(name)}" for name, good in checks.items() if not good)


def memory_follows_the_data(player: Player) -> Optional[str]:
    subject = player.subject.connection("a")
    size = 16 << 20
    before = int(read_info(subject)["used_memory"])
    subject.command("SET", "big", b"x" * size)
    after = int(read_info(subject)["used_memory"])
    subject.command("DEL", "big")
    grown = after - before
    return None if grown >= size * 0.9 else f"16 MiB made used_memory grow by {grown}"


def _work(connection: Connection) -> None:
    """Hits, misses, errors, expiries: all that the counters below count."""
    connection.command("SET", "k", "v")
    connection.command("GET", "k")
    connection.command("MGET", "k", "absent", "k")
    connection.command("GET", "absent")
    connection.command("EXISTS", "k", "absent")
    connection.command("TTL", "absent")
    connection.command("NOSUCH")
    connection.command("INCR", "k")
    connection.command("GET")
    connection.command("MULTI")
    connection.command("GET", "k")
    connection.command("EXEC")
    connection.command("SET", "timed", "v", "PX", "1")
    connection.command("CLIENT", "SETNAME", "x")


COUNTERS = "keyspace_hits keyspace_misses total_error_replies expired_keys evicted_keys".split()


def counters_count_alike(player: Player) -> Optional[str]:
    differences = []
    for side in player.sides:
        connection = side.connection("a")
        before = read_info(connection)
        _work(connection)
        wanted = int(before["expired_keys"]) + 1
        deadline = time.monotonic() + 10
        after = read_info(connection)
        while int(after["expired_keys"]) < wanted and time.monotonic() < deadline:
            after = read_info(connection)
        differences.append({name: int(after[name]) - int(before[name]) for name in COUNTERS})
    reference, subject = differences
    return None if reference == subject else f"reference {reference}\nsubject   {subject}"


def keyspace_lines(player: Player) -> Optional[str]:
    texts = []
    for side in player.sides:
        connection = side.connection("a")
        connection.command("MSET", "a", "1", "b", "2", "c", "3")
        connection.command("EXPIRE", "a", "1000")
        connection.command("SELECT", "5")
        connection.command("SET", "d", "4")
        info = read_info(connection, "keyspace")
        texts.append({name: value.split(",avg_ttl=")[0] for name, value in info.items()})
    reference, subject = texts
    return None if reference == subject else f"reference {reference}\nsubject   {subject}"


def command_statistics(player: Player) -> Optional[str]:
    subject = player.subject.connection("a")
    subject.command("CONFIG", "RESETSTAT")
    for _ in range(5):
        subject.command("GET", "k")
    subject.command("GET")
    line = read_info(subject, "commandstats").get("cmdstat_get", "")
    fields = dict(word.split("=") for word in line.split(",") if "=" in word)
    if (fields.get("calls"), fields.get("rejected_calls")) != ("5", "1"):
        return f"cmdstat_get after 5 calls and one refusal: {line!r}"
    errors = read_info(subject, "errorstats")
    return None if errors.get("errorstat_ERR") == "count=1" else f"errorstats: {errors}"


TESTS: Dict[str, Callable[[Player], Optional[str]]] = {
    "fields": fields_are_there,
    "replication-order": replication_order,
    "sections": sections_can_be_chosen,
    "true-values": values_are_true,
    "memory": memory_follows_the_data,
    "counters": counters_count_alike,
    "keyspace": keyspace_lines,
    "command-statistics": command_statistics,
}


def run(report: Report, player: Player) -> None:
    for name, test in TESTS.items():

        def run_one(test=test) -> Optional[str]:
            player.start(2)
            return test(player) or None

        report.run(f"differential/info/{name}", run_one)
