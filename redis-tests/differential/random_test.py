"""Plays random sequences; a failing one is shortened and shown with the seed that replays it."""

import random
from typing import Callable, List, NamedTuple, Optional

from differential import random_sessions
from harness.minimise import minimise
from harness.player import Mismatch, Player, show_step
from harness.report import Report
from harness.step import Step

MINIMISE_BUDGET_S = 15.0


class Kind(NamedTuple):
    make_steps: Callable[[random.Random, int], List[Step]]
    length: int
    rounds: int
    quick_rounds: int
    is_pipeline: bool = False


KINDS = {
    "single-commands": Kind(random_sessions.single_commands, 1000, 30, 3),
    "transactions": Kind(random_sessions.transactions, 1000, 30, 3),
    "pipeline": Kind(random_sessions.single_commands, 1000, 30, 3, is_pipeline=True),
    "keyspace-events": Kind(random_sessions.keyspace_events, 400, 15, 2),
    "publish-and-subscribe": Kind(random_sessions.publish_and_subscribe, 300, 15, 2),
}


class RandomSequence:
    """One kind of sequence on one protocol."""

    def __init__(self, player: Player, kind: Kind, protocol: int) -> None:
        self._player = player
        self._kind = kind
        self._protocol = protocol

    def _play(self, steps: List[Step], seed: int) -> List[Mismatch]:
        self._player.start(self._protocol)
        if not self._kind.is_pipeline:
            return self._player.play_all(steps, most=1)
        own = [step for step in steps if step.connection == "a"]
        mismatches = self._player.play_pipeline(own, random.Random(seed))
        return mismatches or self._player.play_all(
            [step for step in steps if step.connection != "a"], most=1
        )

    def problem(self, seed: int) -> Optional[str]:
        """Plays the sequence of `seed`; the description of its first mismatch, shortened."""
        steps = self._kind.make_steps(random.Random(seed), self._kind.length)
        found = self._play(steps, seed)
        if not found:
            return None
        if not self._kind.is_pipeline:
            steps = steps[: found[0].index]
        shorter = minimise(steps, lambda part: bool(self._play(part, seed)), MINIMISE_BUDGET_S)
        again = self._play(shorter, seed) or found
        shown = "\n".join(show_step(step) for step in shorter[-40:])
        return f"first mismatch:\n{found[0].show()}\nshortened to:\n{shown}\n{again[0].show()}"


def run(report: Report, player: Player, seed: int, quick: bool) -> None:
    for kind_name, kind in KINDS.items():
        for protocol in (2, 3):
            name = f"differential/random/{kind_name}/resp{protocol}"
            sequence = RandomSequence(player, kind, protocol)
            rounds = kind.quick_rounds if quick else kind.rounds

            def test(name=name, sequence=sequence, rounds=rounds) -> Optional[str]:
                for round_seed in range(seed, seed + rounds):
                    problem = sequence.problem(round_seed)
                    if problem:
                        replay = f"redis-tests/run --only {name} --seed {round_seed}"
                        return f"seed {round_seed}; again with: {replay}\n{problem}"
                return None

            report.run(name, test)
