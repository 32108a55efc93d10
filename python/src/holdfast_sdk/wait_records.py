"""How the end of a wait is recorded among the steps of a run (protocol/src/waits.ts), and what bodies are told of it
(sdk/src/wait-records.ts)."""

from __future__ import annotations

from typing import Any, Mapping, Optional

from .asked_waits import Asked
from .errors import AppError
from .external_job import ExternalJobError
from .wait_errors import CallError, WaitTimedOut
from .wait_nodes import Outcome

WAIT_MARK = "holdfast.wait"
_KINDS = ("sleep", "signal", "call", "external")
_ENDS = ("done", "failed", "timed_out", "dropped")


def as_wait_record(value: Any) -> Optional[Mapping[str, Any]]:
    """The record that a step's value is, or None where it is no wait's."""
    if not isinstance(value, dict) or value.get(WAIT_MARK) not in _KINDS:
        return None
    return value if value.get("end") in _ENDS and isinstance(value.get("attempt"), int) else None


def is_standing(value: Any, attempt: int) -> bool:
    """Whether a recorded value answers in this try: what failed or timed out does so in its own alone. A job that succeeded is not done
    again, though its result could not be kept."""
    record = as_wait_record(value)
    if record is None or record.get("status") == "succeeded":
        return True
    return record["end"] in ("done", "dropped") or bool(record["attempt"] == attempt)


def outcome_of(asked: Asked, record: Mapping[str, Any]) -> Outcome:
    """What the body that asked for it gets."""
    key, kind = asked.leaf.key, asked.spec["kind"]
    if record[WAIT_MARK] != ("call" if kind == "map" else kind):
        return Outcome(error=used(key, f"is the key of a {record[WAIT_MARK]}"))
    if record["end"] == "dropped":
        return Outcome(error=dropped(key))
    if record["end"] == "timed_out":
        return Outcome(error=WaitTimedOut(key))
    if record["end"] == "failed" and kind == "external":
        return Outcome(error=ExternalJobError(key, record))
    if record["end"] == "failed":
        error = record.get("error")
        is_late = isinstance(error, dict) and error.get("code") == "expired" and "timeoutMs" in asked.spec
        failed = CallError(key, record.get("run", ""), record.get("status", "failed"), error)
        return Outcome(error=WaitTimedOut(key) if is_late else failed)
    return read_payload(asked, record.get("value"))


def read_payload(asked: Asked, payload: Any) -> Outcome:
    """What a payload or output becomes for the body; reading it may raise."""
    try:
        return Outcome(asked.read(payload))
    except Exception as error:
        return Outcome(error=error)


def used(key: str, why: str) -> RuntimeError:
    return RuntimeError(f'"{key}" {why}: give each use a key of its own.')


def dropped(key: str) -> RuntimeError:
    return RuntimeError(f'What "{key}" waits for was dropped: a race that it was in was decided without it.')


def refusal(error: Mapping[str, Any]) -> AppError:
    """Why a wait was not opened."""
    return AppError(str(error["code"]), str(error["message"]), hint=error.get("hint"))
