#!/usr/bin/python3
"""redis-py, as Debian packages it (python3-redis). Started by client_programs.py."""

import argparse
import hashlib
import sys
import traceback
from typing import Callable, Dict

import redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import ResponseError, WatchError
from redis.retry import Retry

ALL_BYTES = bytes(range(256))
PIPELINE_LENGTH = 10_000


def expect_equal(found, expected) -> None:
    if found != expected:
        raise AssertionError(f"{found!r:.300} is not {expected!r:.300}")


class PythonRedisTest:
    """Each method is a test; the server is empty when it begins."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self.client = self.connect()

    def connect(self, **more) -> redis.Redis:
        return redis.Redis(
            host=self._options.host,
            port=self._options.port,
            password=self._options.password,
            retry=Retry(NoBackoff(), 3),
            retry_on_error=[LostConnection],
            **more,
        )

    def commands(self) -> None:
        client = self.client
        expect_equal(client.ping(), True)
        expect_equal(client.set("k", "v"), True)
        expect_equal(client.get("k"), b"v")
        expect_equal(client.get("absent"), None)
        expect_equal(client.set("k", "w", nx=True), None)
        expect_equal(client.set("k", "w", get=True), b"v")
        expect_equal(client.mset({"a": 1, "b": 2}), True)
        expect_equal(client.mget("a", "b", "absent"), [b"1", b"2", None])
        expect_equal(client.incrby("a", 41), 42)
        expect_equal(client.incrbyfloat("a", 0.5), 42.5)
        expect_equal(client.append("k", "xyz"), 4)
        expect_equal(client.getrange("k", 1, 2), b"xy")
        expect_equal(client.expire("k", 100), True)
        expect_equal(client.ttl("k") in (99, 100), True)
        expect_equal(client.persist("k"), True)
        expect_equal(client.exists("k", "a", "absent"), 2)
        expect_equal(client.type("k"), b"string")
        expect_equal(client.rename("k", "z"), True)
        expect_equal(client.delete("z", "absent"), 1)
        expect_equal(client.getex("a", ex=10), b"42.5")
        expect_equal(client.client_setname("me"), True)
        expect_equal(client.info("server")["redis_mode"], "standalone")
        expect_equal(client.config_get("databases"), {"databases": "16"})
        expect_equal(client.dbsize(), 2)

    def scan_iterator(self) -> None:
        names = {f"key:{number}" for number in range(1000)}
        self.client.mset({name: 1 for name in names})
        expect_equal({name.decode() for name in self.client.scan_iter(count=37)}, names)
        found = {name.decode() for name in self.client.scan_iter(match="key:99*")}
        expect_equal(found, {name for name in names if name.startswith("key:99")})

    def errors(self) -> None:
        self.client.set("k", "abc")
        try:
            self.client.incr("k")
        except ResponseError as error:
            expect_equal(str(error), "value is not an integer or out of range")
        else:
            raise AssertionError("INCR of a word was no error")
        expect_equal(self.client.get("k"), b"abc")

    def pipeline(self) -> None:
        pipeline = self.client.pipeline(transaction=False)
        for number in range(PIPELINE_LENGTH):
            pipeline.set(f"key:{number}", number).get(f"key:{number}")
        replies = pipeline.execute()
        expect_equal(replies[1::2], [b"%d" % number for number in range(PIPELINE_LENGTH)])
        expect_equal(set(replies[0::2]), {True})

    def transaction(self) -> None:
        pipeline = self.client.pipeline(transaction=True)
        pipeline.set("n", 1).incr("n").get("n").mget("n", "absent")
        expect_equal(pipeline.execute(), [True, 2, b"2", [b"2", None]])
        replies = self.client.pipeline().set("w", "x").incr("w").get("w").execute(False)
        expect_equal([replies[0], type(replies[1]), replies[2]], [True, ResponseError, b"x"])

    def watch(self) -> None:
        self.client.set("n", 1)
        with self.client.pipeline() as pipeline:
            pipeline.watch("n")
            self.client.set("n", 5)
            pipeline.multi()
            pipeline.set("n", 2)
            try:
                pipeline.execute()
            except WatchError:
                pass
            else:
                raise AssertionError("EXEC ran although the watched key changed")

        def increment(pipeline) -> None:
            pipeline.multi()
            pipeline.incr("n")

        expect_equal(self.client.transaction(increment, "n"), [6])
        expect_equal(self.client.get("n"), b"6")

    def publish_subscribe(self) -> None:
        subscriber = self.client.pubsub()
        subscriber.subscribe("news")
        subscriber.psubscribe("n*")
        kinds = [subscriber.get_message(timeout=5)["type"] for _ in range(2)]
        expect_equal(kinds, ["subscribe", "psubscribe"])
        expect_equal(self.client.publish("news", ALL_BYTES), 2)
        messages = [subscriber.get_message(timeout=5) for _ in range(2)]
        expect_equal([message["type"] for message in messages], ["message", "pmessage"])
        expect_equal([message["data"] for message in messages], [ALL_BYTES] * 2)
        subscriber.unsubscribe("news")
        expect_equal(subscriber.get_message(timeout=5)["data"], 1)
        subscriber.close()

    def binary_values(self) -> None:
        self.client.set(ALL_BYTES, ALL_BYTES * 3)
        expect_equal(self.client.get(ALL_BYTES), ALL_BYTES * 3)
        expect_equal(self.client.keys("*"), [ALL_BYTES])
        expect_equal(self.client.append(ALL_BYTES, b"\0"), 769)
        expect_equal(self.client.getrange(ALL_BYTES, 768, -1), b"\0")

    def large_value(self) -> None:
        value = ALL_BYTES * (self._options.large_bytes // 256)
        self.client.set("large", value)
        expect_equal(self.client.strlen("large"), len(value))
        found = self.client.get("large")
        expect_equal(hashlib.sha256(found).hexdigest(), hashlib.sha256(value).hexdigest())

    def reconnect_after_kill(self) -> None:
        victim = self.connect(single_connection_client=True, db=3, client_name="victim")
        victim.set("k", "v")
        old_id = victim.client_id()
        expect_equal(self.client.client_kill_filter(_id=old_id), 1)
        expect_equal(victim.get("k"), b"v")
        expect_equal(victim.client_id() != old_id, True)
        expect_equal(victim.client_getname(), "victim")
        victim.close()

    def dump_and_restore(self) -> None:
        self.client.set("k", ALL_BYTES)
        expect_equal(self.client.restore("copy", 0, self.client.dump("k")), b"OK")
        expect_equal(self.client.get("copy"), ALL_BYTES)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--password")
    parser.add_argument("--large-bytes", type=int, required=True)
    tests = PythonRedisTest(parser.parse_args())
    table: Dict[str, Callable[[], None]] = {
        "commands": tests.commands,
        "scan-iterator": tests.scan_iterator,
        "errors": tests.errors,
        "pipeline": tests.pipeline,
        "transaction": tests.transaction,
        "watch": tests.watch,
        "publish-subscribe": tests.publish_subscribe,
        "binary-values": tests.binary_values,
        "large-value": tests.large_value,
        "reconnect-after-kill": tests.reconnect_after_kill,
        "dump-and-restore": tests.dump_and_restore,
    }
    for name, test in table.items():
        try:
            tests.client.flushall()
            test()
            print(f"ok {name}", flush=True)
        except Exception:  # pylint: disable=broad-except
            print(f"FAILED {name}", flush=True)
            for line in traceback.format_exc().splitlines()[-4:]:
                print(f"  {line}", flush=True)
    print("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
