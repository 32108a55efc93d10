"""The one call that ends an activation."""

from __future__ import annotations

from typing import Any, Dict, Optional

from .errors import is_app_error
from .failure import run_error
from .steering import FatalError, RetryAfter, Skip


class Outcome:
    """``method`` is one of run.succeed, run.fail, run.retry and run.skip."""

    def __init__(self, method: str, params: Dict[str, Any]) -> None:
        self.method = method
        self.params = params


def failure(error: BaseException, project_root: str) -> Outcome:
    """What is to be said of something raised by a body."""
    if isinstance(error, Skip):
        return Outcome("run.skip", {"reason": error.reason})
    described = run_error(error, project_root)
    if isinstance(error, RetryAfter):
        return Outcome("run.retry", {"error": described, "afterMs": error.after_ms})
    # The same input will be as wrong at the next attempt.
    if isinstance(error, FatalError) or is_app_error(error, "invalid_input"):
        return Outcome("run.fail", {"error": described, "fatal": True})
    return Outcome("run.fail", {"error": described})


def invalid_result(why: str, hint: Optional[str] = None) -> Outcome:
    """What the body returned cannot be its output."""
    error = {"code": "result_invalid", "message": f"The body returned something that cannot be its output. {why}"}
    if hint is not None:
        error["hint"] = hint
    return Outcome("run.fail", {"error": error})
