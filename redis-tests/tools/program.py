"""Runs a command-line program against a server, always with a time limit."""

import os
import subprocess
from typing import Optional, Sequence

from harness.servers import Endpoint

TIMEOUT_S = 30.0


def server_words(endpoint: Endpoint) -> list:
    return ["-h", endpoint.host, "-p", str(endpoint.port)]


def environment(endpoint: Endpoint) -> dict:
    """The password travels in the environment, where redis-cli looks for it."""
    variables = {key: value for key, value in os.environ.items() if key != "REDISCLI_AUTH"}
    if endpoint.password:
        variables["REDISCLI_AUTH"] = endpoint.password
    return variables


def run_program(
    endpoint: Endpoint,
    words: Sequence[str],
    data: Optional[bytes] = None,
    timeout_s: float = TIMEOUT_S,
) -> subprocess.CompletedProcess:
    return subprocess.run(
        words,
        input=data if data is not None else b"",
        capture_output=True,
        timeout=timeout_s,
        env=environment(endpoint),
        check=False,
    )


def show(result: subprocess.CompletedProcess) -> str:
    output = (result.stdout + result.stderr).decode(errors="replace")
    return f"{' '.join(result.args)} exited with {result.returncode}:\n{output[-1500:]}"
