"""Keys, values, numbers and expiry times that random sequences draw from."""

import random
import time

KEYS = [b"k%d" % number for number in range(8)] + [
    b"",
    b"with space",
    b"bin\x00\xff\r\n",
    b"glob[a-c]*?\\",
    b"{tag}one",
    b"counter",
]
ABSENT_KEY = b"never-set"

INTEGERS = [
    b"0",
    b"1",
    b"-1",
    b"9",
    b"10",
    b"42",
    b"9999",
    b"10000",
    b"2147483647",
    b"2147483648",
    b"9223372036854775806",
    b"9223372036854775807",
    b"-9223372036854775808",
]
NEARLY_INTEGERS = [
    b"",
    b"+5",
    b"007",
    b" 5",
    b"5 ",
    b"-0",
    b"--1",
    b"0x10",
    b"1.0",
    b"1e3",
    b"9223372036854775808",
    b"-9223372036854775809",
    b"18446744073709551616",
    b"5\x00",
    b"abc",
]
FLOATS = [
    b"3.0",
    b"3.14",
    b"-0.0",
    b".5",
    b"5.",
    b"1e-5",
    b"5.0e3",
    b"1e17",
    b"1.5e300",
    b"0.1",
    b"-2.75",
    b"3e-20",
    b"123456789.123456789",
]
NEARLY_FLOATS = [b"nan", b"inf", b"-inf", b"1e5000", b"1.2.3", b" 1.5", b"1.5 ", b"", b"0x1p3"]
TEXTS = [
    b"",
    b"x",
    b"hello",
    b"hello world",
    b"a" * 44,
    b"b" * 45,
    b"\x00\x01\xfe\xff",
    b"line\r\nbreak",
    b"ohmytext",
    b"mynewtext",
    b"z" * 5000,
]


def key(rng: random.Random) -> bytes:
    return ABSENT_KEY if rng.random() < 0.05 else rng.choice(KEYS)


def integer(rng: random.Random) -> bytes:
    pick = rng.random()
    if pick < 0.15:
        return rng.choice(NEARLY_INTEGERS)
    if pick < 0.55:
        return b"%d" % rng.randint(-1000, 1000)
    return rng.choice(INTEGERS)


def floating(rng: random.Random) -> bytes:
    pick = rng.random()
    if pick < 0.1:
        return rng.choice(NEARLY_FLOATS)
    if pick < 0.3:
        return integer(rng)
    if pick < 0.7:
        return b"%.*f" % (rng.randint(1, 9), rng.uniform(-1000, 1000))
    return rng.choice(FLOATS)


def value(rng: random.Random) -> bytes:
    pick = rng.random()
    if pick < 0.3:
        return integer(rng)
    if pick < 0.45:
        return floating(rng)
    if pick < 0.6:
        return rng.randbytes(rng.choice((1, 3, 20, 100)))
    return rng.choice(TEXTS)


def index(rng: random.Random) -> bytes:
    """A position in a string: mostly sensible, sometimes an edge."""
    return b"%d" % rng.randint(-12, 12) if rng.random() < 0.9 else integer(rng)


def random_case(rng: random.Random, word: bytes) -> bytes:
    """Command and option names are read in any case."""
    if rng.random() < 0.8:
        return word
    return bytes(rng.choice((letter, letter ^ 0x20)) for letter in word)


class ExpiryTimes:
    """Times so far apart that neither server can order two of them differently, or in the past."""

    STEP_S = 100

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._now_s = int(time.time())
        self._used: set = set()

    def _distinct_s(self) -> int:
        while True:
            number = self._rng.randint(10, 100_000)
            if number not in self._used:
                self._used.add(number)
                return number * self.STEP_S

    def relative(self, unit_ms: int) -> bytes:
        """A time from now, in units of `unit_ms` milliseconds."""
        return b"%d" % (self._distinct_s() * 1000 // unit_ms)

    def absolute(self, unit_ms: int) -> bytes:
        return b"%d" % ((self._now_s + self._distinct_s()) * 1000 // unit_ms)

    def past_or_wrong(self) -> bytes:
        choices = [b"0", b"-1", b"-100000", b"9223372036854775807", b"-9223372036854775808"]
        return self._rng.choice(choices + NEARLY_INTEGERS[9:10] + [b"abc", b"", b"1.5"])
