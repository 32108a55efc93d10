"""What a body raises to say how its failure is to be treated."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from typing import NoReturn, Optional, Union

from . import limits
from .text import storable_text

_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class FatalError(Exception):
    """Fails the run at once: no further attempt, whatever the retry policy says."""


class RetryAfter(Exception):
    """Fails this attempt and says when the next is wanted.

    Attempts are counted as ever: the policy's last one is the last. ``delay`` is a duration (``"30s"``), a timedelta or
    a number of seconds, at most ten years. Raises ValueError when it is none of these.
    """

    def __init__(self, delay: Union[str, float, timedelta], message: Optional[str] = None) -> None:
        self.after_ms = delay_ms(delay)
        super().__init__(message if message is not None else f"Asked to be tried again after {delay}.")


class Aborted(Exception):
    """Raised by ``abort_signal.raise_if_aborted()``: what the body returns is no longer heard."""


class Skip(BaseException):
    """Raised by ``ctx.skip``; no ``except Exception`` of a body catches it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The run is skipped: {reason}")
        self.reason = reason


def skip(reason: str) -> NoReturn:
    raise Skip(storable_text(str(reason)[:1_000]))


def delay_ms(delay: Union[str, float, timedelta]) -> int:
    """Milliseconds of a delay as RetryAfter takes it."""
    ms: Optional[float] = None
    if isinstance(delay, timedelta):
        ms = delay.total_seconds() * 1_000
    elif isinstance(delay, (int, float)) and not isinstance(delay, bool):
        ms = delay * 1_000
    elif isinstance(delay, str):
        match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", delay)
        ms = None if match is None else float(match[1]) * _UNIT_MS[match[2]]
    if ms is None or not math.isfinite(ms) or not 0 <= ms <= limits.SPAN_MS:
        raise ValueError(f'{delay!r} is no duration: write "30s", "5m", a timedelta or seconds.')
    return round(ms)
