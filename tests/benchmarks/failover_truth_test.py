#!/usr/bin/python3
"""The failover section's clients tell the truth: about how long nobody was answered, and about
writes that are gone. A redis-server that syncs every write dies and comes back."""

import contextlib
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts" / "bench.d"))

from failover_clients import FailoverClients  # noqa: E402
from servers import BenchError, Server, Workspace  # noqa: E402

DOWN_S = 0.4


class FailoverTruth(unittest.TestCase):
    def setUp(self):
        self.workspace = Workspace(Path.cwd())
        self.addCleanup(self.workspace.close)
        self.server = Server(self.workspace, "redis", "redis-server", Path.cwd())
        self.server.start("always")
        self.clients = FailoverClients([self.server.port], 10)
        self.addCleanup(self.clients.close)

    def test_the_time_without_an_answer_is_the_time_the_server_was_down(self):
        self.clients.run(0.2)
        killed = self.clients.now()
        self.server.kill()
        self.clients.run(DOWN_S)
        self.server.start("always")
        gap_s = self.clients.run_until_acknowledged_again(killed)
        self.assertGreaterEqual(gap_s, DOWN_S)
        self.assertLessEqual(gap_s, self.clients.now() - killed + 0.1)
        self.assertEqual(self.clients.lost_writes(), [])

    def test_an_acknowledged_write_that_is_gone_is_named(self):
        self.clients.run(0.2)
        with contextlib.closing(self.server.client()) as client:
            self.assertEqual(client.command("DEL", "w:3:0"), 1)
        self.assertEqual(self.clients.lost_writes(), ["w:3:0"])

    def test_a_server_that_refuses_every_write_is_no_failover(self):
        with contextlib.closing(self.server.client()) as client:
            client.command("CONFIG", "SET", "maxmemory", "1")
        self.clients.run(0.2)
        self.assertEqual(self.clients.acknowledged, 0)
        self.assertGreater(self.clients.refusals["-OOM"], 0)
        with self.assertRaisesRegex(BenchError, "no write was acknowledged"):
            self.clients.run_until_acknowledged_again(self.clients.now())


if __name__ == "__main__":
    unittest.main(verbosity=2)
