"""Tests of the harness itself: a suite that cannot fail proves nothing."""

import subprocess
import sys
from pathlib import Path
from typing import Callable, Dict, Optional

from allowed_differences import allowed
from differential import random_sessions
from differential.random_test import Kind, RandomSequence
from harness.altering_proxy import AlteringProxy
from harness.minimise import minimise
from harness.normalise import compare
from harness.player import Player
from harness.report import Report
from harness.resp import Parser, ProtocolViolation, Reply, quote
from harness.servers import Endpoint, StartedServer, start_reference
from harness.step import parse_step, split_words

RUN = Path(__file__).parent.parent / "run"


def expect(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def parse_all(data: bytes, chunk: int):
    parser, replies = Parser(), []
    for start in range(0, len(data), chunk):
        parser.feed(data[start : start + chunk])
        while (reply := parser.next()) is not None:
            replies.append(reply)
    return replies


def parser_reads_any_split() -> None:
    data = (
        b"+OK\r\n-ERR x\r\n:42\r\n$5\r\na\r\nbc\r\n$-1\r\n*-1\r\n*2\r\n:1\r\n*1\r\n$0\r\n\r\n_\r\n"
        b"%1\r\n+k\r\n~1\r\n#t\r\n>2\r\n+a\r\n,1.5\r\n=6\r\ntxt:hi\r\n(123\r\n*0\r\n"
    )
    whole = parse_all(data, len(data))
    expect(len(whole) == 13, f"{len(whole)} replies")
    expect(whole[3] == Reply(b"$", b"a\r\nbc"), whole[3].show())
    for chunk in range(1, 20):
        expect(parse_all(data, chunk) == whole, f"pieces of {chunk} bytes differ")


def parser_refuses_garbage() -> None:
    for data in (b"?what\r\n", b"$abc\r\n", b"*1x\r\n", b"\r\n", b"$1\r\nabc\r\n"):
        try:
            parse_all(data, len(data))
        except ProtocolViolation:
            continue
        raise AssertionError(f"{data!r} was read")


def every_byte_counts() -> None:
    data = b"*5\r\n+OK\r\n:42\r\n$3\r\nabc\r\n$-1\r\n-ERR x\r\n"
    original = parse_all(data, len(data))
    for position, byte in enumerate(data):
        changed = data[:position] + bytes([byte ^ 1]) + data[position + 1 :]
        try:
            replies = parse_all(changed, len(changed))
        except ProtocolViolation:
            continue
        expect(replies != original, f"a change of byte {position} is not seen")


def _integer(value: int) -> Reply:
    return Reply(b":", b"%d" % value)


def normalisers_still_compare() -> None:
    bulk, nil = Reply(b"$", b"x"), Reply(b"$", None)
    first = Reply(b"*", (bulk, nil))
    cases = [
        ("near=3", _integer(100), _integer(103), True),
        ("near=3", _integer(100), _integer(104), False),
        ("near=3", _integer(-1), _integer(-2), False),
        ("near=3", _integer(-1), _integer(1), False),
        ("near=3", _integer(1), Reply(b"$", b"1"), False),
        ("sorted", first, Reply(b"*", (nil, bulk)), True),
        ("sorted", first, Reply(b"*", (bulk, bulk)), False),
        ("sorted", first, Reply(b"~", (nil, bulk)), False),
        ("type", bulk, Reply(b"$", b"y"), True),
        ("type", bulk, nil, False),
        ("shape", first, Reply(b"*", (bulk,)), False),
        ("shape", Reply(b"-", b"ERR a"), Reply(b"-", b"ERR b"), True),
        ("shape", Reply(b"-", b"ERR a"), Reply(b"-", b"WRONGTYPE a"), False),
        ("matching=a+", Reply(b"+", b"aa"), Reply(b"+", b"ab"), False),
        ("map", Reply(b"*", (bulk, nil)), Reply(b"*", (bulk, bulk)), False),
        (None, bulk, Reply(b"+", b"x"), False),
    ]
    for name, reference, subject, same in cases:
        found = compare(name, reference, subject)
        expect(found == same, f"{name}: {reference.show()} and {subject.show()} give {found}")
    expect(allowed([b"dump", b"k"], bulk, Reply(b"$", b"y")) is not None, "DUMP may differ")
    expect(allowed([b"dump", b"k"], bulk, nil) is None, "DUMP may not be nil")
    expect(allowed([b"get", b"k"], bulk, Reply(b"$", b"y")) is None, "GET may not differ")


def minimiser_finds_the_pair() -> None:
    shorter = minimise(list(range(200)), lambda items: 17 in items and 151 in items, 10)
    expect(shorter == [17, 151], f"{shorter}")


def scripts_are_read() -> None:
    words = [word for word, _ in split_words("a \"b c\\x00\\n\\\"\" 'd e' \"\"")]
    expect(words == [b"a", b'b c\x00\n"', b"d e", b""], f"{words}")
    step = parse_step("b> !until -2 TTL k ~near=3")
    expect((step.connection, step.verb, step.name) == ("b", "until", "-2"), f"{step}")
    expect((step.args, step.normaliser) == ((b"TTL", b"k"), "near=3"), f"{step}")
    expect(parse_step('GET "~none"').args == (b"GET", b"~none"), "a quoted word is no note")
    expect(quote(b'a"\\\x00\xff\r\n') == '"a\\"\\\\\\x00\\xff\\r\\n"', "quote")


UNIT_TESTS: Dict[str, Callable[[], None]] = {
    "parser-reads-any-split": parser_reads_any_split,
    "parser-refuses-garbage": parser_refuses_garbage,
    "every-byte-counts": every_byte_counts,
    "normalisers-still-compare": normalisers_still_compare,
    "minimiser-finds-the-pair": minimiser_finds_the_pair,
    "scripts-are-read": scripts_are_read,
}

STEPS = ["SET k abc", "GET k", "GET absent", "STRLEN k", "INCR k", "MGET k absent", "EXISTS k"]
ALTERATIONS = {
    "a-byte-of-a-value": (b"$3\r\nabc", b"$3\r\nabd", "GET k"),
    "another-null": (b"$-1\r\n", b"*-1\r\n", "GET absent"),
    "a-number": (b":3\r\n", b":4\r\n", "STRLEN k"),
    "an-error-text": (b"not an integer", b"no integer", "INCR k"),
    "a-lost-element": (b"*2\r\n", b"*1\r\n", "MGET k absent"),
    "an-extra-reply": (b":1\r\n", b":1\r\n:1\r\n", "EXISTS k"),
}


def alteration_is_found(
    reference: Endpoint, server: Endpoint, old: bytes, new: bytes, command: str
) -> Optional[str]:
    steps = [parse_step(line) for line in [*STEPS, "!drain"]]
    with AlteringProxy(server, lambda data: data.replace(old, new)) as proxy:
        player = Player(reference, proxy.endpoint)
        player.start(2)
        mismatches = player.play_all(steps)
        player.close()
    shown = "\n".join(mismatch.show() for mismatch in mismatches)
    wanted = "!drain" if command == "EXISTS k" else command
    return None if f"a> {wanted}\n" in shown else f"expected a mismatch at {wanted}:\n{shown}"


def random_failure_is_shortened(reference: Endpoint, server: Endpoint) -> Optional[str]:
    kind = Kind(random_sessions.single_commands, 200, 1, 1)
    with AlteringProxy(server, lambda data: data.replace(b"string\r\n", b"strinG\r\n")) as proxy:
        player = Player(reference, proxy.endpoint)
        sequence = RandomSequence(player, kind, 2)
        problems = [sequence.problem(seed) for seed in range(3)]
        player.close()
    for problem in filter(None, problems):
        shortened = problem.split("shortened to:\n")[1]
        steps = [line for line in shortened.splitlines() if line.startswith(("a> ", "final> "))]
        return None if len(steps) <= 4 else f"{len(steps)} steps are left:\n{problem}"
    return "no mismatch was found"


def exit_code_tells(reference: Endpoint, server: Endpoint) -> Optional[str]:
    def run_suite(port: int) -> subprocess.CompletedProcess:
        words = [sys.executable, str(RUN), "--port", str(port), "--reference", str(reference.port)]
        words += ["--only", "strings_set/set-and-get"]
        if server.password:
            words += ["--password", server.password]
        return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)

    good = run_suite(server.port)
    if good.returncode != 0 or not good.stdout.endswith("2 passed, 0 failed\n"):
        return f"against an honest server: {good.returncode}\n{good.stdout}{good.stderr}"
    with AlteringProxy(server, lambda data: data.replace(b"$1\r\nv", b"$1\r\nV")) as proxy:
        bad = run_suite(proxy.endpoint.port)
    if bad.returncode != 1 or not bad.stdout.endswith("0 passed, 2 failed\n"):
        return f"against a liar: {bad.returncode}\n{bad.stdout}{bad.stderr}"
    return None


def run(report: Report, reference: Endpoint) -> None:
    for name, test in UNIT_TESTS.items():
        report.run(f"harness/{name}", test)
    names = [f"harness/finds-{name}" for name in ALTERATIONS]
    names += ["harness/random-failure-is-shortened", "harness/exit-code-tells"]
    if not report.wants_any(names):
        return
    second: StartedServer = start_reference(reference.password)
    try:
        server = second.endpoint
        for name, (old, new, command) in ALTERATIONS.items():
            report.run(
                f"harness/finds-{name}",
                lambda old=old, new=new, command=command: alteration_is_found(
                    reference, server, old, new, command
                ),
            )
        report.run(names[-2], lambda: random_failure_is_shortened(reference, server))
        report.run(names[-1], lambda: exit_code_tells(reference, server))
    finally:
        second.stop()
