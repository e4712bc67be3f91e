"""Starts the client programs and turns their lines into the report's."""

import shutil
import subprocess
from pathlib import Path
from typing import List, NamedTuple, Optional, Sequence

from harness.report import Report
from harness.servers import Endpoint

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parent
OWN_BUILD = FOLDER.parent / "build" / "redis-tests"
LARGE_BYTES = 64 << 20
QUICK_LARGE_BYTES = 4 << 20
PROGRAM_TIMEOUT_S = 180.0

COMMON = (
    "commands scan-iterator errors pipeline transaction watch publish-subscribe binary-values"
    " large-value reconnect-after-kill"
).split()


class Client(NamedTuple):
    name: str
    tests: Sequence[str]


PYTHON = Client("python3-redis", [*COMMON, "dump-and-restore"])
IOREDIS = Client("ioredis", [*COMMON, "automatic-pipeline", "subscriber-reconnects"])
NODE_REDIS = Client("node-redis", [f"{name}-resp{n}" for n in (2, 3) for name in COMMON])
HIREDIS = Client("hiredis", [*COMMON, "replies-in-pieces"])


class Outcome(NamedTuple):
    name: str
    problem: Optional[str]


def read_outcomes(output: str) -> List[Outcome]:
    outcomes: List[Outcome] = []
    for line in output.splitlines():
        word, _, name = line.partition(" ")
        if word == "ok":
            outcomes.append(Outcome(name, None))
        elif word == "FAILED":
            outcomes.append(Outcome(name, ""))
        elif outcomes and outcomes[-1].problem is not None:
            last = outcomes.pop()
            outcomes.append(Outcome(last.name, f"{last.problem}{line.strip()}\n"))
    return outcomes


def run_client(report: Report, client: Client, words: Sequence[str]) -> None:
    """Runs a program; a test of its list that it does not report has failed."""
    prefix = f"clients/{client.name}/"
    try:
        result = subprocess.run(
            words, capture_output=True, text=True, timeout=PROGRAM_TIMEOUT_S, check=False
        )
        output, ending = result.stdout, f"exit code {result.returncode}\n{result.stderr[-1500:]}"
    except (OSError, subprocess.TimeoutExpired) as error:
        output, ending = "", str(error)
        if isinstance(error, subprocess.TimeoutExpired) and error.stdout:
            output = error.stdout.decode(errors="replace")
    outcomes = {outcome.name: outcome for outcome in read_outcomes(output)}
    for name in client.tests:
        if report.wants(prefix + name):
            outcome = outcomes.get(name, Outcome(name, f"did not run: {ending}"))
            report.add(prefix + name, outcome.problem)


def run_command(words: Sequence[str]) -> Optional[str]:
    """A preparing step; its output if it fails."""
    result = subprocess.run(words, capture_output=True, text=True, check=False, timeout=600)
    return None if result.returncode == 0 else f"{result.stdout}{result.stderr}"[-1500:]


def install_node_packages() -> Optional[str]:
    """`npm ci`, unless the installed packages are those of the lock file."""
    lock = FOLDER / "package-lock.json"
    installed = FOLDER / "node_modules" / ".package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return None
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    return run_command(["npm", "ci", "--prefix", str(FOLDER)])


def find_hiredis_test() -> Optional[Path]:
    """A program that a build of the whole project left, unless its source is newer."""
    source = FOLDER / "hiredis_test.cc"
    for program in FOLDER.parent.glob("build/*/redis-tests/redis_tests_hiredis"):
        if program.stat().st_mtime >= source.stat().st_mtime:
            return program
    return None


def build_hiredis_test() -> Optional[str]:
    configure = ["cmake", "-S", str(FOLDER), "-B", str(OWN_BUILD), "-DCMAKE_BUILD_TYPE=Debug"]
    build = ["cmake", "--build", str(OWN_BUILD), "--target", "redis_tests_hiredis"]
    return run_command(configure) or run_command(build)


def run_hiredis(report: Report, given: Optional[Path], options: Sequence[str]) -> None:
    program = given or find_hiredis_test()
    problem = None if program else build_hiredis_test()
    if problem:
        report.add("clients/hiredis", problem)
    else:
        program = program or OWN_BUILD / "redis_tests_hiredis"
        run_client(report, HIREDIS, [str(program), *options])


def run(report: Report, endpoint: Endpoint, quick: bool, hiredis_test: Optional[Path]) -> None:
    options = ["--host", endpoint.host, "--port", str(endpoint.port)]
    options += ["--large-bytes", str(QUICK_LARGE_BYTES if quick else LARGE_BYTES)]
    if endpoint.password:
        options += ["--password", endpoint.password]

    def wanted(client: Client) -> bool:
        return report.wants_any(f"clients/{client.name}/{name}" for name in client.tests)

    if wanted(PYTHON):
        program = str(HERE / "python_redis_test.py")
        run_client(report, PYTHON, ["/usr/bin/python3", program, *options])
    node_clients = [client for client in (IOREDIS, NODE_REDIS) if wanted(client)]
    problem = install_node_packages() if node_clients else None
    for client in node_clients:
        program = str(HERE / f"{client.name.replace('-', '_')}_test.mjs")
        if problem:
            report.add(f"clients/{client.name}", problem)
        else:
            run_client(report, client, ["node", program, *options])
    if wanted(HIREDIS):
        run_hiredis(report, hiredis_test, options)
