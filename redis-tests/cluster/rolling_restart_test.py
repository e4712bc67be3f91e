"""Client libraries at every node while all nodes are restarted, one after the other.

A stopping node answers what it has taken; what it leaves unanswered it has not executed. So a
library that sends again after a lost connection, and while a node is loading, sees no error, and
counts exactly. What a library leaves to the program, the program of that library does.
"""

import json
import subprocess
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional

from clients.client_programs import install_node_packages
from harness.cluster import NODES, StartedCluster, eventually
from harness.report import Report
from harness.servers import ServerFailure

HERE = Path(__file__).resolve().parent
NAME = "cluster/rolling-restart/{}"
LIBRARIES = {
    "python3-redis": ["/usr/bin/python3", str(HERE / "python_redis_load.py")],
    "ioredis": ["node", str(HERE / "ioredis_load.mjs")],
    "node-redis": ["node", str(HERE / "node_redis_load.mjs")],
}
# Each load counts so far between two events, so that each event finds it at work.
PROGRESS = 20
PROGRESS_TIMEOUT_S = 60.0
END_TIMEOUT_S = 60.0


class Load(NamedTuple):
    library: str
    node: int
    key: str
    process: subprocess.Popen


def start_loads(cluster: StartedCluster, libraries: List[str]) -> List[Load]:
    loads = []
    for library in libraries:
        for node, endpoint in enumerate(cluster.endpoints):
            key = f"{library}:{node}"
            words = [*LIBRARIES[library], "--port", str(endpoint.port), "--key", key]
            process = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            loads.append(Load(library, node, key, process))
    return loads


def counted(cluster: StartedCluster, asked: int, key: str) -> int:
    return int(cluster.ask(asked, "GET", key) or 0)


def wait_for_progress(cluster: StartedCluster, loads: List[Load], down: Optional[int]) -> None:
    """Every load goes on, but for those whose node is down."""
    asked = 0 if down != 0 else 1
    for load in loads:
        if load.node == down:
            continue
        wanted = counted(cluster, asked, load.key) + PROGRESS
        eventually(
            lambda load=load, wanted=wanted: counted(cluster, asked, load.key) >= wanted,
            f"{load.library} at node {load.node} does not go on\n{cluster.log_tail()}",
            PROGRESS_TIMEOUT_S,
        )


def judge(cluster: StartedCluster, load: Load) -> str:
    """Empty, or what this load has met."""
    try:
        output, _ = load.process.communicate(timeout=END_TIMEOUT_S)
        result = json.loads(output.splitlines()[-1])
    except (subprocess.TimeoutExpired, ValueError, IndexError) as error:
        load.process.kill()
        return f"at node {load.node}: the program did not end well: {error!r:.300}"
    problems = [f"at node {load.node}: {error}" for error in result["errors"][:5]]
    for node in range(NODES):
        eventually(
            lambda node=node: counted(cluster, node, load.key) >= result["answered"],
            f"node {node} has {load.key} = {counted(cluster, node, load.key)}, "
            f"{result['answered']} were answered",
            PROGRESS_TIMEOUT_S,
        )
    value = counted(cluster, 0, load.key)
    if value != result["answered"]:
        problems.append(f"at node {load.node}: counted to {value}, answered {result['answered']}")
    return "\n".join(problems)


def restart_all(cluster: StartedCluster, loads: List[Load]) -> Dict[str, str]:
    """The problems of each library."""
    wait_for_progress(cluster, loads, down=None)
    for node in range(NODES):
        cluster.stop(node)
        wait_for_progress(cluster, loads, down=node)
        cluster.start(node)
        wait_for_progress(cluster, loads, down=None)
    for load in loads:
        assert load.process.stdin is not None
        load.process.stdin.close()
        load.process.stdin = None
    problems: Dict[str, str] = {load.library: "" for load in loads}
    for load in loads:
        problem = judge(cluster, load)
        problems[load.library] += f"{problem}\n" if problem else ""
    return problems


def run(report: Report, server_command: str) -> None:
    libraries = [library for library in LIBRARIES if report.wants(NAME.format(library))]
    if not libraries:
        return
    problem = install_node_packages() if libraries != ["python3-redis"] else None
    cluster = StartedCluster(server_command) if problem is None else None
    loads: List[Load] = []
    problems: Dict[str, str] = {}
    try:
        if cluster is not None:
            loads = start_loads(cluster, libraries)
            problems = restart_all(cluster, loads)
    except (OSError, subprocess.SubprocessError, ServerFailure) as error:
        problem = f"{type(error).__name__}: {error}"
    finally:
        for load in loads:
            load.process.kill()
        if cluster is not None:
            cluster.end()
    for library in libraries:
        report.add(NAME.format(library), problem or problems.get(library) or None)
