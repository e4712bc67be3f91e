"""Where the servers under test are, and how the ones that we start live and die."""

import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional

from harness.connection import Connection

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0


class ServerFailure(Exception):
    """A server did not start or died."""


@dataclass(frozen=True)
class Endpoint:
    host: str
    port: int
    password: Optional[str] = None

    def connect(self) -> Connection:
        """A new connection, authenticated when there is a password."""
        connection = Connection(self.host, self.port)
        if self.password:
            reply = connection.command("AUTH", self.password)
            if reply.is_error:
                raise ServerFailure(f"AUTH at {self.host}:{self.port} answered {reply.show()}")
        return connection


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class StartedServer:
    """A server process of our own, in a temporary directory that goes with it."""

    def __init__(self, name: str, command_template: str, password: Optional[str] = None) -> None:
        self._name = name
        self._directory = Path(tempfile.mkdtemp(prefix=f"redis-tests-{name}-"))
        self._process: Optional[subprocess.Popen] = None
        self.endpoint = Endpoint("127.0.0.1", free_port(), password)
        data_directory = self._directory / "data"
        data_directory.mkdir()
        try:
            self._start(self._fill(command_template, data_directory))
        except BaseException:
            self.stop()
            raise

    def _fill(self, command_template: str, data_directory: Path) -> List[str]:
        words = []
        for word in shlex.split(command_template):
            word = word.replace("{port}", str(self.endpoint.port))
            words.append(word.replace("{dir}", str(data_directory)))
        return words

    def _start(self, command: List[str]) -> None:
        executable = shutil.which(command[0]) if command else None
        if executable is None:
            raise ServerFailure(f"{self._name}: cannot run {command[:1]}")
        with open(self._directory / "log", "wb") as log:
            self._process = subprocess.Popen(
                [executable, *command[1:]],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            self.check_alive()
            try:
                connection = self.endpoint.connect()
                answer = connection.command("PING")
                connection.close()
                if answer.body == b"PONG":
                    return
            except (OSError, ServerFailure):
                pass
            time.sleep(0.02)
        problem = f"{self._name} did not answer in {START_TIMEOUT_S:.0f} s"
        raise ServerFailure(f"{problem}\n{self.log_tail()}")

    def check_alive(self) -> None:
        if self._process is not None and self._process.poll() is not None:
            raise ServerFailure(
                f"{self._name} exited with code {self._process.returncode}\n{self.log_tail()}"
            )

    def log_tail(self, lines: int = 30) -> str:
        log = self._directory / "log"
        if not log.exists():
            return ""
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)


def start_reference(password: Optional[str]) -> StartedServer:
    """Debian's redis-server, in memory only."""
    command = (
        "redis-server --port {port} --dir {dir} --bind 127.0.0.1 --save '' --appendonly no"
        " --daemonize no --loglevel warning"
    )
    if password:
        command += f" --requirepass {shlex.quote(password)}"
    return StartedServer("redis-server", command, password)
