#!/usr/bin/python3
"""kvorum_load tells the truth about a server that stalls: argument 1 is kvorum_load. A redis-server
is made to sleep in the middle of a run, so how long nobody was answered is known."""

import contextlib
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts" / "bench.d"))

from load import Load, percentile_us, slice_ratios, windows  # noqa: E402
from servers import BenchError, Server, Workspace  # noqa: E402

STALL_S = 1.0
RATE = 2000
PROGRAM = Path(sys.argv.pop(1)).resolve()


class LoadTruth(unittest.TestCase):
    def setUp(self):
        self.workspace = Workspace(Path.cwd())
        self.addCleanup(self.workspace.close)
        command = ("redis-server --port {port} --dir {data_dir} --save '' "
                   "--enable-debug-command local")
        self.server = Server(self.workspace, "redis", command, Path.cwd())
        self.server.start("none")

    def stalled_run(self, **options):
        """The result of a load that is under way when the server sleeps STALL_S."""
        load = Load(self.workspace, PROGRAM, [self.server], workload="set", keys=1000,
                    connections=10, slice_ms=60_000, window_ms=100, **options)
        with contextlib.closing(self.server.client()) as client:
            self.wait_for_writes(client, 500)
            client.command("DEBUG", "SLEEP", STALL_S)
            self.wait_for_writes(client, 500)
        load.stop()
        return load.results()[0]

    def wait_for_writes(self, client, count):
        before = int(client.info("stats")["total_commands_processed"])
        while int(client.info("stats")["total_commands_processed"]) < before + count:
            pass

    def slower_than(self, target, limit_us):
        return sum(count for w in windows(target) for edge, count in w["buckets_us"]
                   if edge > limit_us)

    def test_fixed_rate_counts_every_request_that_was_due_in_the_stall(self):
        target = self.stalled_run(rate=RATE)
        due_in_first_half = RATE * STALL_S / 2
        slow = self.slower_than(target, STALL_S / 2 * 1e6)
        self.assertGreaterEqual(slow, 0.95 * due_in_first_half)
        self.assertGreaterEqual(target["latency_us"]["max"], 0.99 * STALL_S * 1e6)
        self.assertEqual(target["unanswered"], 0)

    def test_closed_loop_sees_the_stall_once_per_connection(self):
        target = self.stalled_run()
        self.assertGreaterEqual(target["latency_us"]["max"], 0.95 * STALL_S * 1e6)
        self.assertLessEqual(self.slower_than(target, STALL_S / 2 * 1e6), 10)

    def test_windows_add_up_to_the_total(self):
        target = self.stalled_run(rate=RATE)
        parts = windows(target)
        self.assertEqual(sum(w["count"] for w in parts), target["requests"])
        self.assertAlmostEqual(percentile_us(parts, 0.999), target["latency_us"]["p99.9"], delta=1)

    def test_slices_of_two_targets_alternate_and_who_is_first_rotates(self):
        first, second = Load(self.workspace, PROGRAM, [self.server, self.server], workload="incr",
                             key_prefix="n:", slices=4, slice_ms=20).results()
        starts = [(a["start"] < b["start"]) for a, b in zip(first["slices"], second["slices"])]
        self.assertEqual(starts, [True, False, True, False])
        self.assertGreater(slice_ratios((first, second), lambda s: s["rate"]).median, 0)

    def test_a_request_with_wait_is_two_commands_and_counts_when_the_replica_has_it(self):
        # A replica writes what it is sent where it was started, and would load that another time.
        command = "redis-server --port {port} --dir {data_dir} --save ''"
        replica = Server(self.workspace, "redis", command, Path.cwd())
        replica.start("none")
        self.server.wait_replicas = 1
        load = Load(self.workspace, PROGRAM, [self.server], workload="incr", key_prefix="n:",
                    keys=1, connections=2, requests=100, slice_ms=0)
        with contextlib.closing(replica.client()) as client:
            self.assertIsNone(client.command("GET", "n:" + "0" * 14))  # nobody follows yet
            client.command("REPLICAOF", "127.0.0.1", self.server.port)
            target = load.results()[0]
            self.assertEqual(target["requests"], 100)
            self.assertEqual(target["unanswered"], 0)
            self.assertEqual(client.command("GET", "n:" + "0" * 14), "100")

    def test_absent_keys_show_as_nils_and_errors_end_the_measurement(self):
        absent = Load(self.workspace, PROGRAM, [self.server], workload="get", slice_ms=20)
        target = absent.results()[0]
        self.assertEqual(target["nils"], target["requests"])
        Load(self.workspace, PROGRAM, [self.server], workload="set", keys=10, slice_ms=20).results()
        wrong_type = Load(self.workspace, PROGRAM, [self.server], workload="incr", keys=10,
                          slice_ms=20)
        with self.assertRaisesRegex(BenchError, "not an integer"):
            wrong_type.results()


if __name__ == "__main__":
    unittest.main(verbosity=2)
