"""How two replies are compared when bytes cannot be equal: time, order, identities.

A normaliser is `name` or `name=argument`; it says whether a reference reply and a subject reply
mean the same. Without one, replies must be equal byte for byte.
"""

import re
from typing import Callable, Dict, Optional, Sequence

from harness.resp import Reply

Comparison = Callable[[Reply, Reply, str], bool]

TTL_TOLERANCE_S = 3


def exact(reference: Reply, subject: Reply, _argument: str = "") -> bool:
    return reference == subject


def near(reference: Reply, subject: Reply, argument: str) -> bool:
    """Integers that differ by at most `argument`; negative ones carry a meaning and are exact."""
    first, second = reference.integer(), subject.integer()
    if first is None or second is None or min(first, second) < 0:
        return reference == subject
    return abs(first - second) <= int(argument)


def in_any_order(reference: Reply, subject: Reply, _argument: str = "") -> bool:
    if reference.kind != subject.kind or not (reference.is_aggregate and subject.is_aggregate):
        return reference == subject
    return sorted(map(repr, reference.body)) == sorted(map(repr, subject.body))


def shape(reference: Reply, subject: Reply, _argument: str = "") -> bool:
    """The same types all the way down, errors with the same first word; texts may differ."""
    if reference.kind != subject.kind or (reference.body is None) != (subject.body is None):
        return False
    if reference.is_error:
        return reference.body.split(b" ")[0] == subject.body.split(b" ")[0]
    first, second = reference.children(), subject.children()
    return len(first) == len(second) and all(map(shape, first, second))


def same_type(reference: Reply, subject: Reply, _argument: str = "") -> bool:
    return reference.kind == subject.kind and (reference.body is None) == (subject.body is None)


def int_or_embstr(reference: Reply, subject: Reply, _argument: str = "") -> bool:
    """Two names for how a short number is kept."""
    return {reference.body, subject.body} == {b"int", b"embstr"}


def help_text(reference: Reply, subject: Reply, _argument: str = "") -> bool:
    """HELP: lines of the same type, beginning with the same sentence."""
    if not same_type(reference, subject) or not subject.children():
        return False
    kinds = {line.kind for line in reference.children()}
    return reference.body[0] == subject.body[0] and {r.kind for r in subject.body} == kinds


def matching(reference: Reply, subject: Reply, argument: str) -> bool:
    """Both texts match the regular expression `argument` from start to end."""
    if reference.kind != subject.kind or reference.is_aggregate:
        return reference == subject
    pattern = re.compile(argument.encode(), re.DOTALL)
    return all(pattern.fullmatch(reply.body or b"") for reply in (reference, subject))


def _map_except(reference: Reply, subject: Reply, ignored: Sequence[bytes]) -> bool:
    if not same_type(reference, subject) or len(reference.children()) != len(subject.children()):
        return reference == subject
    keys = [reply.body for reply in reference.body[::2]]
    if keys != [reply.body for reply in subject.body[::2]]:
        return False
    for key, first, second in zip(keys, reference.body[1::2], subject.body[1::2]):
        if not (same_type if key in ignored else exact)(first, second, ""):
            return False
    return True


def hello(reference: Reply, subject: Reply, _argument: str = "") -> bool:
    """HELLO's map: same keys in order, same values but for `version` and `id`."""
    return _map_except(reference, subject, (b"version", b"id"))


def as_map(reference: Reply, subject: Reply, _argument: str = "") -> bool:
    """The same pairs in any order."""
    return same_type(reference, subject) and reference.pairs() == subject.pairs()


CLIENT_FIELDS_EQUAL = (b"name", b"db", b"sub", b"psub", b"multi", b"cmd", b"user", b"resp")
CLIENT_FIELDS_PRESENT = (b"id", b"addr", b"laddr", b"fd", b"age", b"idle", b"flags")


def _client_lines(reply: Reply) -> list:
    lines = []
    text = reply.body or b""
    if reply.kind == b"=":
        text = text[4:]
    for line in text.splitlines():
        fields = dict(word.split(b"=", 1) for word in line.split(b" ") if b"=" in word)
        lines.append(fields)
    return lines


def client_list(reference: Reply, subject: Reply, _argument: str = "") -> bool:
    """CLIENT LIST and INFO: one line per client, with the fields that tools read."""
    if not same_type(reference, subject) or reference.is_error:
        return reference == subject
    first, second = _client_lines(reference), _client_lines(subject)
    key = lambda line: [line.get(name, b"?") for name in CLIENT_FIELDS_EQUAL]
    if sorted(map(key, first)) != sorted(map(key, second)):
        return False
    return all(name in line for line in second for name in CLIENT_FIELDS_PRESENT)


def monitor(reference: Reply, subject: Reply, _argument: str = "") -> bool:
    """A line of MONITOR without its time and address."""
    pattern = re.compile(rb"\d+\.\d{6} \[(\d+) [^ ]+\] (.*)", re.DOTALL)
    if not same_type(reference, subject) or reference.is_aggregate:
        return False
    first, second = pattern.fullmatch(reference.body), pattern.fullmatch(subject.body)
    if first is None or second is None:
        return reference == subject
    return first.groups() == second.groups()


def slowlog(reference: Reply, subject: Reply, _argument: str = "") -> bool:
    """Entries with the same arguments and client name; id, time, duration and address differ."""
    if not shape(reference, subject):
        return False
    return all(
        (first.children()[3], first.children()[5]) == (second.children()[3], second.children()[5])
        for first, second in zip(reference.children(), subject.children())
    )


def channel_counts(reference: Reply, subject: Reply, _argument: str = "") -> bool:
    """One (un)subscribe confirmation whose channel may come in another order."""
    first, second = reference.children(), subject.children()
    return (
        reference.kind == subject.kind
        and len(first) == len(second) == 3
        and (first[0], first[2]) == (second[0], second[2])
    )


NORMALISERS: Dict[str, Comparison] = {
    "exact": exact,
    "near": near,
    "sorted": in_any_order,
    "shape": shape,
    "type": same_type,
    "int-or-embstr": int_or_embstr,
    "help": help_text,
    "matching": matching,
    "hello": hello,
    "map": as_map,
    "client-list": client_list,
    "monitor": monitor,
    "slowlog": slowlog,
    "channel-counts": channel_counts,
}

DEFAULTS: Dict[bytes, str] = {
    b"ttl": f"near={TTL_TOLERANCE_S}",
    b"pttl": f"near={TTL_TOLERANCE_S * 1000}",
    b"expiretime": f"near={TTL_TOLERANCE_S}",
    b"pexpiretime": f"near={TTL_TOLERANCE_S * 1000}",
    b"object idletime": f"near={TTL_TOLERANCE_S}",
    b"lastsave": "near=100000000",
    b"keys": "sorted",
    b"randomkey": "type",
    b"time": "shape",
    b"client id": "near=1000000000000",
    b"client list": "client-list",
    b"client info": "client-list",
    b"hello": "hello",
    b"pubsub channels": "sorted",
    b"memory usage": "type",
    b"slowlog get": "slowlog",
    b"info": "type",
    b"role": "shape",
    b"command list": "sorted",
    b"config get": "map",
}


def default_for(args: Sequence[bytes]) -> Optional[str]:
    """The normaliser that a command needs whenever it is sent."""
    words = [arg.lower() for arg in args[:2]]
    return DEFAULTS.get(b" ".join(words)) or (DEFAULTS.get(words[0]) if words else None)


def compare(normaliser: Optional[str], reference: Reply, subject: Reply) -> bool:
    name, _, argument = (normaliser or "exact").partition("=")
    return reference == subject or NORMALISERS[name](reference, subject, argument)

