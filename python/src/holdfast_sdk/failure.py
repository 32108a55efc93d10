"""What a person reads of a raised exception: its class, its message, and the part of its traceback that is user code."""

from __future__ import annotations

import os
import traceback
from typing import Any, Dict, List, Optional

from . import limits
from .errors import AppError
from .external_job import ExternalJobError
from .text import cut_text
from .wait_errors import CallError, WaitTimedOut

_MESSAGE_CHARACTERS = limits.ERROR_TEXT_BYTES // 12
_STACK_CHARACTERS = limits.ERROR_TEXT_BYTES // 4
_DEEPEST_CAUSE = 5
_MACHINERY = (f"{os.sep}asyncio{os.sep}", f"{os.sep}concurrent{os.sep}futures{os.sep}")
_OWN_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep


def run_error(error: BaseException, project_root: str) -> Dict[str, Any]:
    """An exception as the error of a run: ``code``, ``message``, ``name``, ``stack`` and, where there are, ``hint`` and ``details``.

    Frames of Holdfast and of Python's own machinery are left out; files under ``project_root`` are named relative to it.
    """
    described: Dict[str, Any] = {
        "code": _code(error),
        "message": cut_text(_message(error), _MESSAGE_CHARACTERS),
        "name": cut_text(type(error).__name__, 200),
    }
    stack = cut_text(_stack(error, project_root), _STACK_CHARACTERS)
    if stack:
        described["stack"] = stack
    hint = _hint(error)
    if hint is not None:
        described["hint"] = cut_text(hint, _MESSAGE_CHARACTERS)
    if isinstance(error, CallError):
        described["details"] = {"runId": error.run_id}
    if isinstance(error, ExternalJobError):
        job = {"service": error.service, "jobId": error.id, "externalId": error.external_id}
        described["details"] = {**job, "status": error.status, "code": error.code}
    return described


def _code(error: BaseException) -> str:
    if isinstance(error, CallError):
        return "child_failed"
    if isinstance(error, ExternalJobError):
        return "external_failed"
    if isinstance(error, WaitTimedOut):
        return "wait_timed_out"
    return error.code if isinstance(error, AppError) else "task_failed"


def _message(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"The body called sys.exit({error.code!r}). Success is what it returns."
    if isinstance(error, KeyboardInterrupt):
        return "The body was interrupted (KeyboardInterrupt)."
    if isinstance(error, KeyError):
        return f"There is no {error.args[0]!r} (KeyError)." if len(error.args) == 1 else str(error)
    try:
        return str(error) or type(error).__name__
    except Exception:
        return f"an error of the class {type(error).__name__} that cannot say its message"


def _hint(error: BaseException) -> Optional[str]:
    """What to do about it: of a called run, what that one's error says."""
    if isinstance(error, (AppError, ExternalJobError)):
        return error.hint
    if isinstance(error, CallError):
        hint = (error.error or {}).get("hint")
        return None if hint is None else str(hint)
    if isinstance(error, ModuleNotFoundError) and error.name:
        import sys

        return f"Install what provides {error.name} for {sys.executable}, or choose another Python in the configuration."
    return None


def _stack(error: BaseException, project_root: str) -> str:
    parts: List[str] = []
    at: Optional[BaseException] = error
    for _ in range(_DEEPEST_CAUSE):
        if at is None:
            break
        parts.append(_one(at, project_root))
        cause = at.__cause__
        if cause is None and not at.__suppress_context__:
            cause = at.__context__
        at = cause
    return "\nCaused by: ".join(parts)


def _one(error: BaseException, project_root: str) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(frame.filename)]
    lines = ["Traceback (most recent call last):\n"] if frames else []
    for frame in frames:
        lines.append(f'  File "{_shorten(frame.filename, project_root)}", line {frame.lineno}, in {frame.name}\n')
        if frame.line:
            lines.append(f"    {frame.line.strip()}\n")
    last = traceback.format_exception_only(type(error), error)
    return "".join([*lines, *(line.replace(project_root.rstrip("/") + "/", "") for line in last)]).rstrip()


def _is_users(file: str) -> bool:
    return not (file.startswith("<frozen ") or file.startswith(_OWN_FOLDER) or any(part in file for part in _MACHINERY))


def _shorten(file: str, project_root: str) -> str:
    root = project_root.rstrip(os.sep) + os.sep
    return file[len(root) :] if file.startswith(root) else file
