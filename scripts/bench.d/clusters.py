"""Three servers that replicate: a kvorum cluster, or a redis primary with two replicas."""

import contextlib
import time

from servers import BenchError, ReplyError, Server, READY_LIMIT_S

NODES = 3
POLL_S = 0.01


class Cluster:
    """`template` is a server's command line, as Server has it. All sync each write."""

    def __init__(self, workspace, name, template, build_dir):
        self.name = name
        self.replicas_are_told_of_primary = template == "redis-server"
        self.servers = [Server(workspace, name, template, build_dir) for _ in range(NODES)]
        if self.replicas_are_told_of_primary:
            self._make_redis_replicas()
        else:
            self._make_peers()

    def _make_redis_replicas(self):
        primary, *replicas = self.servers
        primary.wait_replicas = 1  # a majority: the primary and one more
        for replica in replicas:
            replica.more_flags = ["--replicaof", "127.0.0.1", str(primary.port)]

    def _make_peers(self):
        peers = ",".join(f"{i}=127.0.0.1:{server.port}"
                         for i, server in enumerate(self.servers, 1))
        for i, server in enumerate(self.servers, 1):
            server.more_flags = ["--id", str(i), "--cluster-id", "bench", "--peers", peers]

    def start(self):
        begin = time.monotonic()
        for server in self.servers:
            server.launch("always")
        for server in self.servers:
            server.wait_until_ready(begin + READY_LIMIT_S)
        self.wait_until_complete()

    def leader(self):
        """The server that has both others as followers in step; None: there is none now."""
        for server in self.servers:
            try:
                with contextlib.closing(server.client()) as client:
                    info = client.info("replication")
            except (ReplyError, OSError):
                continue
            online = sum(",state=online," in value for name, value in info.items()
                         if name.startswith("slave") and name[5:].isdigit())
            if info.get("role") == "master" and online == NODES - 1:
                return server
        return None

    def wait_until_complete(self):
        """Returns the leader once all are in step."""
        deadline = time.monotonic() + READY_LIMIT_S
        while time.monotonic() < deadline:
            leader = self.leader()
            if leader is not None:
                return leader
            time.sleep(POLL_S)
        raise BenchError(f"the three of {self.name} do not get in step in {READY_LIMIT_S} s")

    def close(self):
        for server in self.servers:
            server.stop()
            server.remove_data()
