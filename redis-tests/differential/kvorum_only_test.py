"""What kvorum has and redis-server 7.0 has not: here the expected reply is written down."""

from typing import Callable, Dict, List, Optional

from differential.info_test import read_info
from harness.connection import Connection
from harness.player import Player
from harness.report import Report


def is_redis_server(player: Player) -> bool:
    """The subject is the reference's own build, so these tests do not apply."""
    reference, subject = (read_info(side.control, "server") for side in player.sides)
    return subject.get("redis_build_id") == reference.get("redis_build_id")


def _expect(connection: Connection, cases: Dict[str, str]) -> Optional[str]:
    problems: List[str] = []
    for line, expected in cases.items():
        shown = connection.command(*line.split()).show()
        if shown != expected:
            problems.append(f"{line}: {shown}, not {expected}")
    return "\n".join(problems) or None


def waitaof(player: Player) -> Optional[str]:
    connection = player.subject.connection("a")
    connection.command("SET", "k", "v")
    return _expect(
        connection,
        {
            "WAITAOF 1 0 5000": '*[:"1", :"0"]',
            "WAITAOF 0 1 20": '*[:"1", :"0"]',
            "WAITAOF 2 0 20": '-"ERR value is out of range, value must between 0 and 1"',
            "WAITAOF 1 0": "-\"ERR wrong number of arguments for 'waitaof' command\"",
        },
    )


def client_setinfo(player: Player) -> Optional[str]:
    connection = player.subject.connection("a")
    problem = _expect(
        connection,
        {
            "CLIENT SETINFO LIB-NAME some-library": '+"OK"',
            "CLIENT SETINFO lib-ver 1.2.3": '+"OK"',
            "CLIENT SETINFO WHAT x": "-\"ERR Unrecognized option 'WHAT'\"",
            "CLIENT SETINFO LIB-NAME": (
                "-\"ERR wrong number of arguments for 'client|setinfo' command\""
            ),
        },
    )
    line = connection.command("CLIENT", "INFO").body or b""
    if b"lib-name=some-library lib-ver=1.2.3" not in line:
        return f"{problem or ''}\nCLIENT INFO: {line!r}"
    return problem


def client_capa(player: Player) -> Optional[str]:
    return _expect(player.subject.connection("a"), {"CLIENT CAPA redirect": '+"OK"'})


def client_consistency(player: Player) -> Optional[str]:
    connection = player.subject.connection("a")
    connection.command("SET", "k", "v")
    token = (connection.command("CLIENT", "TOKEN").body or b"").decode()
    return _expect(
        connection,
        {
            "CLIENT CONSISTENCY linearizable": '+"OK"',
            "CLIENT CONSISTENCY PREFIX": '+"OK"',
            "CLIENT CONSISTENCY strong": (
                '-"ERR the consistency must be LINEARIZABLE, SESSION or PREFIX"'
            ),
            f"CLIENT TOKEN {token}": '+"OK"',
            "CLIENT TOKEN x": '-"ERR this is no token that CLIENT TOKEN has given"',
            "GET k": '$"v"',
        },
    )


def backup(player: Player) -> Optional[str]:
    return _expect(
        player.subject.connection("a"),
        {
            "BACKUP here": (
                '-"ERR BACKUP needs an absolute path, of a directory on this node\'s machine"'
            ),
            "BACKUP": "-\"ERR wrong number of arguments for 'backup' command\"",
        },
    )


def foreign_dump_is_refused(player: Player) -> Optional[str]:
    """A payload of redis-server is neither taken for our own nor restored as garbage."""
    player.reference.control.command("SET", "k", "value")
    payload = player.reference.control.command("DUMP", "k").body
    connection = player.subject.connection("a")
    reply = connection.command("RESTORE", "k", "0", payload)
    if not reply.is_error or b"payload" not in reply.body:
        return f"RESTORE of redis-server's payload: {reply.show()}"
    return _expect(connection, {"EXISTS k": ':"0"'})


TESTS: Dict[str, Callable[[Player], Optional[str]]] = {
    "waitaof": waitaof,
    "client-setinfo": client_setinfo,
    "client-capa": client_capa,
    "client-consistency": client_consistency,
    "backup": backup,
    "foreign-dump-is-refused": foreign_dump_is_refused,
}


def run(report: Report, player: Player) -> None:
    if is_redis_server(player):
        return
    for name, test in TESTS.items():

        def run_one(test=test) -> Optional[str]:
            player.start(2)
            return test(player)

        report.run(f"kvorum-only/{name}", run_one)
