"""Random single commands, valid and not. Each generator returns the words of one command."""

import random
from typing import Callable, Dict, List, Sequence

from differential.random_values import ExpiryTimes, floating, index, integer, key, value
from differential.random_values import random_case

Words = List[bytes]


class CommandMaker:
    """Draws commands with one generator of random numbers."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.times = ExpiryTimes(rng)
        self._makers: Sequence[Callable[[], Words]] = []
        self._weights: Sequence[int] = []
        self._fill_table()

    def make(self) -> Words:
        words = self.rng.choices(self._makers, self._weights)[0]()
        if self.rng.random() < 0.04:
            words = self._damage(words)
        words[0] = random_case(self.rng, words[0])
        return words

    def _fill_table(self) -> None:
        table: Dict[Callable[[], Words], int] = {
            self.set: 14,
            self.one_key: 16,
            self.key_and_value: 10,
            self.key_and_integer: 8,
            self.increment_by_float: 4,
            self.range: 5,
            self.set_range: 3,
            self.get_with_expiry: 5,
            self.set_with_expiry: 3,
            self.many_keys: 8,
            self.pairs: 3,
            self.expire: 8,
            self.copy: 3,
            self.two_keys: 3,
            self.common_subsequence: 2,
            self.object: 3,
            self.keys: 1,
            self.whole_keyspace: 2,
            self.move: 2,
            self.select: 2,
            self.connection: 2,
        }
        self._makers, self._weights = list(table), list(table.values())

    def _damage(self, words: Words) -> Words:
        """Drops, doubles or replaces a word.

        Never makes a time that could run out in the test, or SYNC out of FLUSHALL SYNC.
        """
        words = list(words)
        place = self.rng.randrange(len(words))
        kind = self.rng.randrange(3)
        if kind == 0 and len(words) > 1:
            del words[max(1, place)]
        elif kind == 1:
            words.insert(place, words[place])
        else:
            words[place] = self.rng.choice([b"abc", b"NX", b"", b"9999999999999999999", b"GET"])
        return words

    def _option(self, *options: bytes) -> bytes:
        return random_case(self.rng, self.rng.choice(options))

    def _expiry_words(self, wrong: float = 0.15) -> Words:
        name, unit_ms, is_absolute = self.rng.choice(
            [(b"EX", 1000, False), (b"PX", 1, False), (b"EXAT", 1000, True), (b"PXAT", 1, True)]
        )
        if self.rng.random() < wrong:
            moment = self.times.past_or_wrong()
        else:
            moment = self.times.absolute(unit_ms) if is_absolute else self.times.relative(unit_ms)
        return [random_case(self.rng, name), moment]

    def set(self) -> Words:
        words = [b"SET", key(self.rng), value(self.rng)]
        options = [
            [self._option(b"NX", b"XX")],
            [random_case(self.rng, b"GET")],
            [random_case(self.rng, b"KEEPTTL")],
            self._expiry_words(),
        ]
        for option in self.rng.sample(options, self.rng.choice((0, 0, 0, 1, 1, 1, 2, 2, 3))):
            words += option
        return words

    def one_key(self) -> Words:
        names = [b"GET", b"GETDEL", b"STRLEN", b"TYPE", b"TTL", b"PTTL", b"EXPIRETIME"]
        names += [b"PEXPIRETIME", b"PERSIST", b"INCR", b"DECR", b"GET", b"GET", b"INCR"]
        return [self.rng.choice(names), key(self.rng)]

    def key_and_value(self) -> Words:
        return [self.rng.choice([b"APPEND", b"GETSET", b"SETNX"]), key(self.rng), value(self.rng)]

    def key_and_integer(self) -> Words:
        return [self.rng.choice([b"INCRBY", b"DECRBY"]), key(self.rng), integer(self.rng)]

    def increment_by_float(self) -> Words:
        return [b"INCRBYFLOAT", key(self.rng), floating(self.rng)]

    def range(self) -> Words:
        name = self.rng.choice([b"GETRANGE", b"SUBSTR"])
        return [name, key(self.rng), index(self.rng), index(self.rng)]

    def set_range(self) -> Words:
        offsets = [b"0", b"1", b"5", b"100", b"-1", b"536870912", b"9223372036854775807", b"abc"]
        return [b"SETRANGE", key(self.rng), self.rng.choice(offsets), value(self.rng)]

    def get_with_expiry(self) -> Words:
        words = [b"GETEX", key(self.rng)]
        pick = self.rng.random()
        if pick < 0.6:
            words += self._expiry_words()
        elif pick < 0.8:
            words.append(self._option(b"PERSIST", b"KEEPTTL", b"NX"))
        return words

    def set_with_expiry(self) -> Words:
        name, unit_ms = self.rng.choice([(b"SETEX", 1000), (b"PSETEX", 1)])
        wrong = self.rng.random() < 0.2
        moment = self.times.past_or_wrong() if wrong else self.times.relative(unit_ms)
        return [name, key(self.rng), moment, value(self.rng)]

    def many_keys(self) -> Words:
        names = [b"MGET", b"EXISTS", b"TOUCH", b"DEL", b"UNLINK"]
        name = self.rng.choices(names, [4, 3, 2, 2, 1])[0]
        return [name] + [key(self.rng) for _ in range(self.rng.choice((1, 1, 2, 3, 6)))]

    def pairs(self) -> Words:
        words = [self.rng.choice([b"MSET", b"MSETNX"])]
        for _ in range(self.rng.randint(1, 4)):
            words += [key(self.rng), value(self.rng)]
        return words

    def expire(self) -> Words:
        name, unit_ms, is_absolute = self.rng.choice(
            [
                (b"EXPIRE", 1000, False),
                (b"PEXPIRE", 1, False),
                (b"EXPIREAT", 1000, True),
                (b"PEXPIREAT", 1, True),
            ]
        )
        if self.rng.random() < 0.12:
            moment = self.times.past_or_wrong()
        else:
            moment = self.times.absolute(unit_ms) if is_absolute else self.times.relative(unit_ms)
        options = [b"NX", b"XX", b"GT", b"LT", b"WHAT"]
        count = self.rng.choice((0, 0, 0, 1, 1, 1, 2))
        return [name, key(self.rng), moment] + [
            random_case(self.rng, option) for option in self.rng.sample(options, count)
        ]

    def copy(self) -> Words:
        words = [b"COPY", key(self.rng), key(self.rng)]
        if self.rng.random() < 0.4:
            words += [self._option(b"DB"), self.rng.choice([b"0", b"1", b"2", b"16", b"-1", b"x"])]
        if self.rng.random() < 0.5:
            words.append(self._option(b"REPLACE"))
        return words

    def two_keys(self) -> Words:
        return [self.rng.choice([b"RENAME", b"RENAMENX"]), key(self.rng), key(self.rng)]

    def common_subsequence(self) -> Words:
        words = [b"LCS", key(self.rng), key(self.rng)]
        options = [[b"LEN"], [b"IDX"], [b"MINMATCHLEN", index(self.rng)], [b"WITHMATCHLEN"]]
        for option in self.rng.sample(options, self.rng.randint(0, 4)):
            words += option
        return words

    def object(self) -> Words:
        names = [b"ENCODING", b"REFCOUNT", b"FREQ", b"IDLETIME", b"ENCODING", b"WHAT"]
        return [b"OBJECT", self.rng.choice(names), key(self.rng)]

    def keys(self) -> Words:
        patterns = [b"*", b"k?", b"k[1-3]", b"k[^1-3]", b"*\\[a-c]*"]
        patterns += [b"", b"with*", b"{tag}*", b"*o*e*"]
        return [b"KEYS", self.rng.choice(patterns)]

    def whole_keyspace(self) -> Words:
        pick = self.rng.random()
        if pick < 0.5:
            return [b"DBSIZE"]
        if pick < 0.7:
            return [b"RANDOMKEY"]
        if pick < 0.9:
            numbers = [b"0", b"1", b"2", b"15", b"16", b"-1", b"x"]
            return [b"SWAPDB", self.rng.choice(numbers), self.rng.choice(numbers)]
        return [self.rng.choice([b"FLUSHDB", b"FLUSHALL"])] + self.rng.choice(
            [[], [b"SYNC"], [b"ASYNC"], [b"NOW"]]
        )

    def move(self) -> Words:
        return [b"MOVE", key(self.rng), self.rng.choice([b"0", b"1", b"2", b"99", b"abc"])]

    def select(self) -> Words:
        return [b"SELECT", self.rng.choice([b"0", b"0", b"1", b"2", b"16", b"-1", b"one"])]

    def connection(self) -> Words:
        choices = [[b"PING"], [b"PING", value(self.rng)], [b"ECHO", value(self.rng)]]
        choices += [[b"CLIENT", b"GETNAME"], [b"CLIENT", b"SETNAME", b"me"]]
        choices += [[b"NOSUCH", b"a", b"b"]]
        return self.rng.choice(choices)
