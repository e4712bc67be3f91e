"""Every command with too few and too many words."""

from typing import Dict, List, Optional, Sequence, Tuple

from differential.supported import ALL_COMMANDS, CONTAINERS, SUBCOMMANDS
from harness.player import Player
from harness.report import Report
from harness.step import Step, command

MOST_SHOWN = 20


def wrong_counts(arity: int) -> Sequence[int]:
    """Numbers of words that a command of this arity refuses (its name counts as one)."""
    return [*range(1, arity), arity + 1, arity + 2] if arity > 0 else range(1, -arity)


def _steps(name: Tuple[bytes, ...], arity: int) -> List[Step]:
    return [
        command(*name, *[b"a"] * (count - len(name)))
        for count in wrong_counts(arity)
        if count >= len(name)
    ]


def arities(player: Player) -> Dict[Tuple[bytes, ...], int]:
    """From the reference's own table."""
    table: Dict[Tuple[bytes, ...], int] = {}
    for name in ALL_COMMANDS:
        info = player.reference.control.command("COMMAND", "INFO", name).children()[0].children()
        if name not in CONTAINERS:
            table[(name.encode(),)] = info[1].integer()
            continue
        for subcommand in info[9].children():
            container, _, own = subcommand.children()[0].body.partition(b"|")
            if (container.decode(), own.decode()) in SUBCOMMANDS:
                table[(container, own)] = subcommand.children()[1].integer()
    return table


def run(report: Report, player: Player) -> None:
    def test() -> Optional[str]:
        player.start(2)
        steps = [step for name, arity in arities(player).items() for step in _steps(name, arity)]
        steps += [
            command(container.encode(), *words)
            for container in CONTAINERS
            for words in ([b"nosuch"], [b"nosuch", b"a", b"b"], [b"no\r\nsuch"])
        ]
        mismatches = player.play_all(steps, most=MOST_SHOWN)
        return "\n".join(mismatch.show() for mismatch in mismatches) or None

    report.run("differential/arity", test)
