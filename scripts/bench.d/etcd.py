"""Puts of etcd beside SETs of a kvorum cluster: three nodes each, every write on two disks."""

import contextlib
import json
import shutil
import tempfile
import time
import urllib.request
from pathlib import Path

from clusters import NODES, POLL_S, Cluster
from load import Load, Spread
from report import Goal, Row
from servers import READY_LIMIT_S, BenchError, free_port

ETCD = "/usr/bin/etcd"
LOADS = ((1, 1), (50, 1), (50, 16), (200, 1))  # connections, calls at once on each
GOAL_CONNECTIONS = 50


def installed():
    """etcd, and what its load generator is built with."""
    return Path(ETCD).exists() and Path("/usr/include/grpcpp/grpcpp.h").exists()


class EtcdNode:
    """One process; it has what a Load asks of a server."""

    wait_replicas = 0

    def __init__(self, workspace, number):
        self.name = f"etcd-{number}"
        self.port = free_port()
        self.peer_port = free_port()
        self.data_dir = Path(tempfile.mkdtemp(prefix=self.name + "-", dir=workspace.path))
        self.process = None

    @property
    def peer_url(self):
        return f"http://127.0.0.1:{self.peer_port}"

    @property
    def client_url(self):
        return f"http://127.0.0.1:{self.port}"

    def status(self):
        """None while it does not answer."""
        request = urllib.request.Request(self.client_url + "/v3/maintenance/status", b"{}")
        try:
            with urllib.request.urlopen(request, timeout=2) as answer:
                return json.load(answer)
        except (OSError, ValueError):
            return None

    def leads(self):
        status = self.status()
        return status is not None and status.get("leader") == status["header"]["member_id"]


class EtcdCluster:
    def __init__(self, workspace):
        self._workspace = workspace
        self.nodes = [EtcdNode(workspace, number) for number in range(1, NODES + 1)]

    def start(self):
        everybody = ",".join(f"{node.name}={node.peer_url}" for node in self.nodes)
        for node in self.nodes:
            with open(node.data_dir / "log", "wb") as log:
                node.process = self._workspace.spawn(
                    [ETCD, "--name", node.name, "--data-dir", str(node.data_dir / "data"),
                     "--listen-client-urls", node.client_url,
                     "--advertise-client-urls", node.client_url,
                     "--listen-peer-urls", node.peer_url,
                     "--initial-advertise-peer-urls", node.peer_url,
                     "--initial-cluster", everybody, "--initial-cluster-state", "new",
                     "--quota-backend-bytes", str(8 << 30), "--logger", "zap",
                     "--log-level", "error"], log)
        self.leader()

    def leader(self):
        deadline = time.monotonic() + READY_LIMIT_S
        while time.monotonic() < deadline:
            for node in self.nodes:
                if node.leads():
                    return node
            time.sleep(POLL_S)
        raise BenchError(f"etcd has no leader after {READY_LIMIT_S} s")

    def close(self):
        for node in self.nodes:
            if node.process is not None and node.process.poll() is None:
                node.process.kill()
                node.process.wait()
            shutil.rmtree(node.data_dir, ignore_errors=True)


def etcd(bench):
    """The two load generators take turns, a slice each; a slice is preceded by one to warm up."""
    load_program = bench.build_dir / "kvorum_etcd_load"
    if not installed() or not load_program.exists():
        raise BenchError("etcd is compared with where Debian's etcd-server and libgrpc++-dev are "
                         "installed, and the build was configured after that")
    ours = Cluster(bench.workspace, bench.names[0], bench.templates[0], bench.build_dir)
    theirs = EtcdCluster(bench.workspace)
    rows = []
    with contextlib.closing(ours), contextlib.closing(theirs):
        ours.start()
        theirs.start()
        for connections, pipeline in LOADS:
            options = {"workload": "set", "keys": bench.scale.keys, "connections": connections,
                       "pipeline": pipeline, "slices": 1, "warmup_slices": 1,
                       "slice_ms": bench.scale.slice_ms}
            pairs = []
            for _ in range(max(bench.scale.slices // 4, 2)):
                pairs.append([
                    Load(bench.workspace, program, [node], **options).results()[0]
                    for program, node in ((bench.build_dir / "kvorum_load",
                                           ours.wait_until_complete()),
                                          (load_program, theirs.leader()))])
            label = f"SET or put, c={connections} P={pipeline}"
            bench.details[f"etcd: {label}"] = pairs
            rows += etcd_rows(label, pairs, connections == GOAL_CONNECTIONS and pipeline == 1)
    return rows


def etcd_rows(label, pairs, has_goal):
    rates = [Spread.of([pair[i]["slices"][0]["rate"] for pair in pairs]).median for i in (0, 1)]
    ratios = Spread.of([pair[0]["slices"][0]["rate"] / pair[1]["slices"][0]["rate"]
                        for pair in pairs])
    rows = [Row("etcd", label, "/s", *rates, ratios, higher_is_better=True, drawn=True,
                goal=Goal("ratio", at_least=10) if has_goal else None,
                note="the second column is etcd")]
    for name in ("p50", "p99"):
        values = [Spread.of([pair[i]["slices"][0]["latency_us"][name] / 1000
                             for pair in pairs]).median for i in (0, 1)]
        rows.append(Row("etcd", f"{label} {name}", "ms", *values,
                        Spread.of([pair[0]["slices"][0]["latency_us"][name] /
                                   pair[1]["slices"][0]["latency_us"][name] for pair in pairs])))
    return rows
