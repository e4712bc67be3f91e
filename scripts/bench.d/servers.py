"""The two servers under test: their command lines, processes, memory and a minimal client."""

import ctypes
import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

REDIS_SERVER = "/usr/bin/redis-server"
KVORUM_COMMAND = ("{build_dir}/kvorum-server --port {port} --data-dir {data_dir} --fsync {fsync} "
                  "{snapshots}")
READY_LIMIT_S = 180
STOP_LIMIT_S = 60

# What "durability" means for redis-server and as kvorum's --fsync. `log` is for start-up: all data
# in an append-only log and nowhere else. Redis never rewrites its log here: no fork disturbs it.
REDIS_FLAGS = {
    "none": ["--appendonly", "no"],
    "always": ["--appendonly", "yes", "--appendfsync", "always"],
    "log": ["--appendonly", "yes", "--appendfsync", "no", "--aof-use-rdb-preamble", "no"],
}
KVORUM_FSYNC = {"none": "never", "always": "always", "log": "never"}
KVORUM_SNAPSHOTS = {"none": "", "always": "", "log": "--snapshot-wal-size 0 --snapshot-interval 0"}


class BenchError(Exception):
    """A measurement that could not be made; the message is for the user."""


class ReplyError(Exception):
    """An error reply of a server."""


class Client:
    """One blocking connection: command(...) returns str, int or None."""

    def __init__(self, port, timeout_s=60):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout_s)
        self._file = self._socket.makefile("rb")

    def command(self, *words):
        encoded = [str(word).encode() for word in words]
        self._socket.sendall(b"*%d\r\n" % len(encoded) +
                             b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in encoded))
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server closed the connection")
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b"-":
            raise ReplyError(rest)
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == "-1" else self._file.read(int(rest) + 2)[:-2].decode()
        return rest

    def info(self, section):
        lines = self.command("INFO", section).splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def close(self):
        self._file.close()
        self._socket.close()


def spawn(command, output):
    """A child outside our process group (Ctrl-C is ours to handle) that does not outlive us."""
    libc = ctypes.CDLL(None)
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output,
                            stderr=subprocess.STDOUT if output != subprocess.PIPE else None,
                            start_new_session=True,
                            preexec_fn=lambda: libc.prctl(1, signal.SIGKILL))  # PR_SET_PDEATHSIG


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Workspace:
    """A directory for everything a run writes, and the processes it started. close() ends both."""

    def __init__(self, parent):
        parent.mkdir(parents=True, exist_ok=True)
        self.path = Path(tempfile.mkdtemp(prefix="run-", dir=parent))
        self.processes = []

    def spawn(self, command, output):
        process = spawn(command, output)
        self.processes = [p for p in self.processes if p.poll() is None] + [process]
        return process

    def close(self):
        for process in reversed(self.processes):  # a load before the server it talks to
            if process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(self.path, ignore_errors=True)


class Server:
    """A server process on a data directory of its own; start() and stop() may alternate."""

    def __init__(self, workspace, name, template, build_dir):
        self.name = name
        self._workspace = workspace
        self._template = template
        self._build_dir = build_dir
        self.data_dir = Path(tempfile.mkdtemp(prefix=name + "-", dir=workspace.path))
        self.port = free_port()
        self.wait_replicas = 0  # a load waits for so many after each request
        self.more_flags = []
        self._process = None

    def _command(self, durability):
        return [*self._own_command(durability), *self.more_flags]

    def _own_command(self, durability):
        if self._template == "redis-server":
            return [REDIS_SERVER, "--port", str(self.port), "--bind", "127.0.0.1", "--dir",
                    str(self.data_dir), "--save", "", "--auto-aof-rewrite-percentage", "0",
                    "--daemonize", "no", *REDIS_FLAGS[durability]]
        return shlex.split(self._template.format(
            port=self.port, data_dir=self.data_dir, fsync=KVORUM_FSYNC[durability],
            snapshots=KVORUM_SNAPSHOTS[durability], build_dir=self._build_dir))

    def start(self, durability, wrapper=()):
        """Returns the seconds from exec until PING gives PONG."""
        begin = self.launch(durability, wrapper)
        self.wait_until_ready(begin + READY_LIMIT_S)
        return time.monotonic() - begin

    def launch(self, durability, wrapper=()):
        """Returns when it was executed (time.monotonic), without waiting for it."""
        command = [*wrapper, *self._command(durability)]
        with open(self.data_dir.with_suffix(".log"), "ab") as log:
            begin = time.monotonic()
            try:
                self._process = self._workspace.spawn(command, log)
            except OSError as error:
                raise BenchError(f"cannot start {self.name}: {error}") from error
        return begin

    def wait_until_ready(self, deadline):
        client = None
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise BenchError(f"{self.name} ended with {self._process.returncode}: "
                                 f"{self._log_end()}")
            try:
                client = client or Client(self.port)
                if client.command("PING") == "PONG":
                    client.close()
                    return
            except ReplyError:  # -LOADING
                pass
            except OSError:
                client = None
            time.sleep(0.002)
        raise BenchError(f"{self.name} is not ready after {READY_LIMIT_S} s: {self._log_end()}")

    def _log_end(self):
        lines = self.data_dir.with_suffix(".log").read_text(errors="replace").splitlines()
        return " | ".join(lines[-3:])

    def stop(self):
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise BenchError(f"{self.name} ignored SIGTERM for {STOP_LIMIT_S} s") from None

    def kill(self):
        self._process.kill()
        self._process.wait()

    def remove_data(self):
        shutil.rmtree(self.data_dir, ignore_errors=True)

    @property
    def pid(self):
        return self._process.pid

    def client(self):
        return Client(self.port)

    def cpu_s(self):
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_bytes(self):
        return smaps_bytes(self.pid, ("Rss",))

    def quick_rss_bytes(self):
        """Without walking the page tables, which would hold the server up."""
        resident_pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return resident_pages * os.sysconf("SC_PAGESIZE")

    def child_copies_bytes(self):
        """Memory that only forked children have: pages the parent changed since, and their own."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return sum(smaps_bytes(child, ("Private_Clean", "Private_Dirty")) for child in children)


def smaps_bytes(pid, names):
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:  # a child that has ended
        return 0
    values = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
    return sum(values[name] for name in names)
