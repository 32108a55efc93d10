"""Values within each other: how deep they may be (protocol/src/nesting.ts), and how they are walked."""

from __future__ import annotations

import sys
from typing import Callable, TypeVar

from . import limits
from .errors import AppError

_HINT = "Make a list of what lies within each other, or keep it as text, in a file or an object store."
_WALKED_LEVELS = 10_000

T = TypeVar("T")


def too_deep(what: str) -> AppError:
    """The refusal of a value that nests deeper than it may."""
    return AppError("too_large", f"{what} is nested deeper than {limits.NESTING_LEVELS} levels.", hint=_HINT)


def walk_deep(work: Callable[[], T]) -> T:
    """Does work that may need more levels than Python's own limit of recursion allows: again from the beginning, if so."""
    try:
        return work()
    except RecursionError:
        before = sys.getrecursionlimit()
        sys.setrecursionlimit(max(before, _WALKED_LEVELS))
        try:
            return work()
        finally:
            sys.setrecursionlimit(before)
