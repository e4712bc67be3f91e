"""One line per test, the details of a failure under it, and the totals."""

import sys
import time
from typing import Callable, Iterable, List, Optional


class Report:
    def __init__(self, only: Optional[str] = None) -> None:
        self._only = only
        self.passed = 0
        self.failed: List[str] = []

    def wants(self, name: str) -> bool:
        return self._only is None or self._only in name

    def wants_any(self, names: Iterable[str]) -> bool:
        return any(self.wants(name) for name in names)

    def add(self, name: str, problem: Optional[str], seconds: Optional[float] = None) -> None:
        """Counts one test. `problem` is None for a pass, else the text shown under the line."""
        took = "" if seconds is None else f" ({seconds:.2f} s)"
        if problem is None:
            self.passed += 1
            print(f"ok     {name}{took}")
        else:
            self.failed.append(name)
            print(f"FAILED {name}{took}")
            for line in problem.splitlines():
                print(f"       {line}")
        sys.stdout.flush()

    def run(self, name: str, test: Callable[[], Optional[str]]) -> None:
        """Runs `test` if the caller wants it; it returns its problem or raises."""
        if not self.wants(name):
            return
        start = time.monotonic()
        try:
            problem = test()
        except Exception as error:  # pylint: disable=broad-except
            problem = f"{type(error).__name__}: {error}"
        self.add(name, problem, time.monotonic() - start)

    def finish(self) -> int:
        """Prints the totals; returns the exit code."""
        if not self.passed and not self.failed:
            print(f"no test has {self._only!r} in its name")
            return 2
        for name in self.failed:
            print(f"failed: {name}")
        print(f"{self.passed} passed, {len(self.failed)} failed")
        return 1 if self.failed else 0
