"""Plays the hand-written command lists in scripts/."""

from pathlib import Path
from typing import Optional

from harness.player import Player
from harness.report import Report
from harness.step import Script, load_scripts

SCRIPTS = Path(__file__).parent / "scripts"


def play(player: Player, script: Script, protocol: int) -> Optional[str]:
    player.start(protocol)
    mismatches = player.play_all(script.steps)
    return "\n".join(mismatch.show() for mismatch in mismatches) or None


def run(report: Report, player: Player) -> None:
    for path in sorted(SCRIPTS.glob("*.txt")):
        for script in load_scripts(path):
            for protocol in script.protocols:
                report.run(
                    f"differential/{script.name}/resp{protocol}",
                    lambda script=script, protocol=protocol: play(player, script, protocol),
                )
