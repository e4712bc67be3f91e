"""Where kvorum may answer otherwise than redis-server 7.0, and why. Keep this list short.

An entry applies to commands that begin with its words (any case). `compare_by` is the normaliser
that still has to hold (harness/normalise.py).
"""

from typing import NamedTuple, Optional, Sequence

from harness.normalise import compare
from harness.resp import Reply


class AllowedDifference(NamedTuple):
    command: str
    compare_by: str
    reason: str


ALLOWED_DIFFERENCES = (
    AllowedDifference("DUMP", "type", "the payload is kvorum's own format, with its own version"),
    AllowedDifference("LOLWUT", "type", "it shows the version and no picture"),
    AllowedDifference("CLIENT HELP", "help", "kvorum lists the subcommands that it has"),
    AllowedDifference("CONFIG HELP", "help", "kvorum lists the subcommands that it has"),
    AllowedDifference("COMMAND HELP", "help", "kvorum lists the subcommands that it has"),
    AllowedDifference("MEMORY HELP", "help", "kvorum lists the subcommands that it has"),
    AllowedDifference("LATENCY HELP", "help", "kvorum lists the subcommands that it has"),
    AllowedDifference("PUBSUB HELP", "help", "kvorum lists the subcommands that it has"),
    AllowedDifference("OBJECT HELP", "help", "kvorum has OBJECT VERSION"),
    AllowedDifference("OBJECT ENCODING", "int-or-embstr", "kvorum tells int by the value alone"),
    AllowedDifference("OBJECT IDLETIME", "type", "equal small integers share theirs in Redis"),
    AllowedDifference("OBJECT REFCOUNT", "type", "kvorum shares no integers"),
    AllowedDifference("LATENCY DOCTOR", "type", "prose about another server"),
)


def allowed(args: Sequence[bytes], reference: Reply, subject: Reply) -> Optional[str]:
    """The reason why these replies may differ, or None."""
    words = [arg.decode(errors="replace").lower() for arg in args]
    for difference in ALLOWED_DIFFERENCES:
        prefix = difference.command.lower().split()
        if words[: len(prefix)] == prefix and compare(difference.compare_by, reference, subject):
            return difference.reason
    return None
