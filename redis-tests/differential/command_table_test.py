"""COMMAND and its subcommands, for the commands that both servers have."""

from typing import Callable, Dict, List, Optional

from differential.supported import ALL_COMMANDS, PLAIN_COMMANDS
from harness.player import Player
from harness.report import Report
from harness.resp import Reply

UNSUPPORTED_SAMPLE = ("hset", "lpush", "sadd", "zadd", "xadd", "eval", "geoadd", "pfadd", "setbit")


def describe(info: Reply) -> Dict[str, object]:
    """What cluster clients and proxies read of one COMMAND INFO entry."""
    if not info.is_aggregate:
        return {"entry": info.show()}
    fields = info.children()
    return {
        "name": fields[0].show(),
        "arity": fields[1].show(),
        "flags": sorted(flag.show() for flag in fields[2].children()),
        "first key": fields[3].show(),
        "last key": fields[4].show(),
        "key step": fields[5].show(),
        "categories": sorted(category.show() for category in fields[6].children()),
        "number of fields": len(fields),
    }


def compare_info(player: Player) -> Optional[str]:
    problems: List[str] = []
    for name in ALL_COMMANDS:
        replies = [side.connection("a").command("COMMAND", "INFO", name) for side in player.sides]
        if any(len(reply.children()) != 1 for reply in replies):
            problems.append(f"{name}: {replies[1].show()}")
            continue
        reference, subject = (describe(reply.children()[0]) for reply in replies)
        for field, expected in reference.items():
            if subject.get(field) != expected:
                problems.append(f"{name}: {field} is {subject.get(field)}, not {expected}")
    return "\n".join(problems) or None


def _names(entries: Reply) -> set:
    return {entry.children()[0].body.decode() for entry in entries.children()}


def table_is_whole(player: Player) -> Optional[str]:
    """COMMAND, COUNT, LIST and INFO without arguments agree and have every command."""
    subject = player.subject.connection("a")
    everything = _names(subject.command("COMMAND"))
    listed = {name.body.decode() for name in subject.command("COMMAND", "LIST").children()}
    listed_top = {name for name in listed if "|" not in name}
    count = subject.command("COMMAND", "COUNT").integer()
    if missing := sorted(set(ALL_COMMANDS) - everything):
        return f"COMMAND lacks {' '.join(missing)}"
    if everything != listed_top:
        return f"COMMAND and COMMAND LIST differ in {sorted(everything ^ listed_top)}"
    if count != len(everything):
        return f"COMMAND COUNT says {count}, COMMAND has {len(everything)}"
    if _names(subject.command("COMMAND", "INFO")) != everything:
        return "COMMAND INFO without names is not COMMAND"
    return None


def docs_for_redis_cli(player: Player) -> Optional[str]:
    """COMMAND DOCS has what redis-cli builds its hints from."""
    subject = player.subject.connection("a")
    documents = subject.command("COMMAND", "DOCS", *PLAIN_COMMANDS).pairs()
    problems = []
    for name in PLAIN_COMMANDS:
        entry = documents.get(name.encode())
        fields = entry.pairs() if entry else {}
        problems += [
            f"{name} has no {field}"
            for field in ("summary", "since", "group")
            if field.encode() not in fields
        ]
    return "\n".join(problems) or None


def unsupported_commands_say_so(player: Player) -> Optional[str]:
    """What the subject's table lacks is an unknown command, with its arguments quoted."""
    subject = player.subject.connection("a")
    for name in UNSUPPORTED_SAMPLE:
        if subject.command("COMMAND", "INFO", name).children()[0].body is not None:
            continue
        reply = subject.command(name.upper(), "a", "b c")
        expected = f"ERR unknown command '{name.upper()}', with args beginning with: 'a' 'b c' "
        if reply != Reply(b"-", expected.encode()):
            return f"{name}: {reply.show()}"
    return None


TESTS: Dict[str, Callable[[Player], Optional[str]]] = {
    "info": compare_info,
    "whole": table_is_whole,
    "docs": docs_for_redis_cli,
    "unsupported": unsupported_commands_say_so,
}


def run(report: Report, player: Player) -> None:
    for name, test in TESTS.items():
        for protocol in (2, 3):

            def run_one(test=test, protocol=protocol) -> Optional[str]:
                player.start(protocol)
                return test(player)

            report.run(f"differential/command-table/{name}/resp{protocol}", run_one)
