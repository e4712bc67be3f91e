"""Random sequences: several connections with transactions, one pipeline, publishers."""

import random
from typing import List

from differential.random_commands import CommandMaker
from differential.random_values import KEYS, key
from harness.step import Step, command

CONNECTIONS = ("a", "b", "c")
DATABASES = (0, 1, 2)


def final_state() -> List[Step]:
    """Reads the whole keyspace back on a connection of its own."""
    steps = []
    for database in DATABASES:
        steps.append(command(b"SELECT", b"%d" % database, connection="final"))
        steps.append(command(b"DBSIZE", connection="final"))
        steps.append(command(b"KEYS", b"*", connection="final"))
        steps.append(Step("scan", (b"SCAN",), "final"))
        steps.append(command(b"MGET", *KEYS, connection="final"))
        for name in KEYS:
            steps.append(command(b"PTTL", name, connection="final"))
            steps.append(command(b"OBJECT", b"ENCODING", name, connection="final"))
    return steps


def single_commands(rng: random.Random, length: int) -> List[Step]:
    """One connection, one command after the other."""
    maker = CommandMaker(rng)
    return [command(*maker.make()) for _ in range(length)] + final_state()


def transactions(rng: random.Random, length: int) -> List[Step]:
    """Three connections that watch, queue, execute and discard over the same keys."""
    maker = CommandMaker(rng)
    steps = []
    for _ in range(length):
        pick = rng.random()
        if pick < 0.10:
            words = [b"MULTI"]
        elif pick < 0.18:
            words = [b"EXEC"]
        elif pick < 0.20:
            words = [b"DISCARD"]
        elif pick < 0.26:
            words = [b"WATCH"] + [key(rng) for _ in range(rng.randint(1, 3))]
        elif pick < 0.27:
            words = [rng.choice([b"UNWATCH", b"RESET"])]
        else:
            words = maker.make()
        steps.append(command(*words, connection=rng.choice(CONNECTIONS)))
    steps += [command(b"EXEC", connection=connection) for connection in CONNECTIONS]
    return steps + final_state()


def _publisher_words(rng: random.Random, channels: List[bytes]) -> List[bytes]:
    pick = rng.random()
    if pick < 0.7:
        return [b"PUBLISH", rng.choice(channels), rng.randbytes(rng.randint(0, 8))]
    if pick < 0.8:
        return [b"PUBSUB", b"CHANNELS"] + rng.choice([[], [b"n*"], [b"?"]])
    if pick < 0.9:
        return [b"PUBSUB", b"NUMSUB", *rng.sample(channels, 2)]
    return [b"PUBSUB", b"NUMPAT"]


def publish_and_subscribe(rng: random.Random, length: int) -> List[Step]:
    """Subscribers come and go; after each message everything that arrived is compared."""
    channels = [b"news", b"sport", b"n", b"bin\x00", b""]
    patterns = [b"n*", b"*", b"?", b"[ns]*", b"nomatch"]
    steps = []
    for _ in range(length):
        subscriber = rng.choice(("b", "c"))
        if rng.random() < 0.6:
            steps.append(command(*_publisher_words(rng, channels)))
            steps += [Step("drain", (), name, "any-order") for name in ("b", "c")]
            continue
        name = rng.choice([b"SUBSCRIBE", b"PSUBSCRIBE", b"UNSUBSCRIBE", b"PUNSUBSCRIBE"])
        pool = patterns if name.startswith(b"P") else channels
        steps.append(command(name, *rng.sample(pool, rng.randint(1, 3)), connection=subscriber))
    return steps


def keyspace_events(rng: random.Random, length: int) -> List[Step]:
    """Every command's notifications, in order, seen by a listener on another connection."""
    maker = CommandMaker(rng)
    steps = [
        command(b"CONFIG", b"SET", b"notify-keyspace-events", b"KEAmn"),
        command(b"PSUBSCRIBE", b"__key*__:*", connection="listener"),
    ]
    for _ in range(length):
        steps.append(command(*maker.make()))
        steps.append(Step("drain", (), "listener"))
    return steps
