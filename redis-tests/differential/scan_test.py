"""SCAN returns every key that is there from beginning to end, whatever else changes."""

import random
from typing import Callable, Dict, Optional

from harness.connection import Connection
from harness.player import Player
from harness.report import Report

STABLE_KEYS = 2_000
MOST_STEPS = 100_000


def _set_many(connection: Connection, prefix: str, first: int, count: int) -> None:
    names = [f"{prefix}:{number}" for number in range(first, first + count)]
    connection.command("MSET", *(word for name in names for word in (name, "v")))


def _scan(connection: Connection, count: int, between_steps: Callable[[], None]) -> set:
    cursor, found = b"0", set()
    for _ in range(MOST_STEPS):
        reply = connection.command("SCAN", cursor, "COUNT", count)
        cursor = reply.children()[0].body
        found.update(name.body for name in reply.children()[1].children())
        if cursor == b"0":
            return found
        between_steps()
    raise AssertionError(f"SCAN did not end in {MOST_STEPS} steps")


def _missing(found: set) -> Optional[str]:
    missing = {b"stable:%d" % number for number in range(STABLE_KEYS)} - found
    return f"{len(missing)} of {STABLE_KEYS} keys were not returned" if missing else None


def while_the_database_grows(player: Player) -> Optional[str]:
    connection = player.subject.connection("a")
    _set_many(connection, "stable", 0, STABLE_KEYS)
    added = [0]

    def grow() -> None:
        if added[0] < 50_000:
            _set_many(connection, "new", added[0], 500)
            added[0] += 500

    return _missing(_scan(connection, 50, grow))


def while_the_database_shrinks(player: Player) -> Optional[str]:
    connection = player.subject.connection("a")
    _set_many(connection, "stable", 0, STABLE_KEYS)
    for first in range(0, 50_000, 1000):
        _set_many(connection, "old", first, 1000)
    removed = [0]

    def shrink() -> None:
        if removed[0] < 50_000:
            names = [f"old:{number}" for number in range(removed[0], removed[0] + 2000)]
            connection.command("DEL", *names)
            removed[0] += 2000

    return _missing(_scan(connection, 200, shrink))


def while_keys_come_and_go(player: Player) -> Optional[str]:
    connection = player.subject.connection("a")
    _set_many(connection, "stable", 0, STABLE_KEYS)
    rng = random.Random(1)

    def churn() -> None:
        connection.command("SET", f"other:{rng.randrange(500)}", "v")
        connection.command("DEL", f"other:{rng.randrange(500)}")
        connection.command("APPEND", f"stable:{rng.randrange(STABLE_KEYS)}", "x")

    return _missing(_scan(connection, 10, churn))


TESTS: Dict[str, Callable[[Player], Optional[str]]] = {
    "while-the-database-grows": while_the_database_grows,
    "while-the-database-shrinks": while_the_database_shrinks,
    "while-keys-come-and-go": while_keys_come_and_go,
}


def run(report: Report, player: Player) -> None:
    for name, test in TESTS.items():

        def run_one(test=test) -> Optional[str]:
            player.start(2)
            return test(player)

        report.run(f"differential/scan/{name}", run_one)
