"""Shortens a failing list of steps by replaying shorter lists on flushed servers."""

import time
from typing import Callable, List, TypeVar

T = TypeVar("T")


def minimise(items: List[T], still_fails: Callable[[List[T]], bool], budget_s: float) -> List[T]:
    """Delta debugging: the shortest list found in `budget_s` for which `still_fails` holds.

    REQUIRES: still_fails(items).
    """
    deadline = time.monotonic() + budget_s
    chunk = max(1, len(items) // 2)
    while True:
        position, removed = 0, False
        while position < len(items):
            if time.monotonic() > deadline:
                return items
            shorter = items[:position] + items[position + chunk :]
            if shorter and still_fails(shorter):
                items, removed = shorter, True
            else:
                position += chunk
        if chunk == 1 and not removed:
            return items
        chunk = max(1, chunk // 2)
