"""Three servers of our own that are one cluster, each of which can be stopped and started again."""

import random
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Callable, List, Optional

from harness.connection import Connection
from harness.servers import START_TIMEOUT_S, STOP_TIMEOUT_S, Endpoint, ServerFailure

NODES = 3
# Below the ports that the system gives to connections: a node comes back to its own.
LOWEST_PORT, HIGHEST_PORT = 10_000, 32_000


def lasting_port() -> int:
    while True:
        port = random.randint(LOWEST_PORT, HIGHEST_PORT)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


def eventually(condition: Callable[[], bool], what: str, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise ServerFailure(f"after {timeout_s:.0f} s: {what}")
        time.sleep(0.02)


class StartedCluster:
    """Nodes are counted from 0."""

    def __init__(self, command_template: str) -> None:
        self._template = command_template
        self._directory = Path(tempfile.mkdtemp(prefix="redis-tests-cluster-"))
        self._processes: List[Optional[subprocess.Popen]] = [None] * NODES
        self.endpoints = [Endpoint("127.0.0.1", lasting_port()) for _ in range(NODES)]
        try:
            for node in range(NODES):
                self._launch(node)
            for node in range(NODES):
                self.wait_until_in_order(node)
        except BaseException:
            self.end()
            raise

    def _launch(self, node: int) -> None:
        peers = ",".join(
            f"{number}=127.0.0.1:{endpoint.port}"
            for number, endpoint in enumerate(self.endpoints, start=1)
        )
        words = [
            word.replace("{port}", str(self.endpoints[node].port)).replace(
                "{dir}", str(self._directory / f"node-{node}")
            )
            for word in shlex.split(self._template)
        ]
        words += ["--id", str(node + 1), "--cluster-id", "redis-tests", "--peers", peers]
        with open(self._directory / f"log-{node}", "ab") as log:
            self._processes[node] = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )

    def ask(self, node: int, *words: str) -> Optional[bytes]:
        """The bulk string, or None for anything else and where there is no connection."""
        endpoint = self.endpoints[node]
        try:
            connection = Connection(endpoint.host, endpoint.port)
            try:
                body = connection.command(*words).body
            finally:
                connection.close()
        except OSError:
            return None
        return body if isinstance(body, bytes) else None

    def in_order(self, node: int) -> bool:
        replication = self.ask(node, "INFO", "replication") or b""
        return b"role:master" in replication or b"master_link_status:up" in replication

    def wait_until_in_order(self, node: int) -> None:
        eventually(
            lambda: self.in_order(node), f"node {node} is not in order\n{self.log_tail()}",
            START_TIMEOUT_S,
        )

    def stop(self, node: int) -> None:
        """SIGTERM; anything but a clean end is a failure."""
        process = self._processes[node]
        assert process is not None
        process.terminate()
        code = process.wait(STOP_TIMEOUT_S)
        self._processes[node] = None
        if code != 0:
            raise ServerFailure(f"node {node} ended with code {code}\n{self.log_tail()}")

    def start(self, node: int) -> None:
        self._launch(node)
        self.wait_until_in_order(node)

    def log_tail(self, lines: int = 15) -> str:
        text = ""
        for path in sorted(self._directory.glob("log-*")):
            tail = path.read_text(errors="replace").splitlines()[-lines:]
            text += "\n".join([path.name, *tail, ""])
        return text

    def end(self) -> None:
        running = [process for process in self._processes if process is not None]
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)
