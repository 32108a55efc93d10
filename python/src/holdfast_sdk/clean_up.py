"""The clean-up of a run that was cut off: the function that a task's ``on_cancel`` names (sdk/src/clean-up.ts)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional

from .state import as_state_record
from .wait_records import as_wait_record


@dataclass(frozen=True)
class CancelReason:
    """Why a run was cut off."""

    code: str
    """``cancelled``: somebody or something ordered its end; ``expired``: its ``expires_after`` was over."""
    message: str
    try_number: int
    """Which try of the clean-up this is, from 1."""


def reason_of(start: Mapping[str, Any]) -> Optional[CancelReason]:
    """None where it is a body that starts."""
    given = start.get("cleanUp")
    return None if given is None else CancelReason(given["code"], given["message"], given["try"])


def does_not_skip() -> RuntimeError:
    return RuntimeError("ctx.skip cannot be used in on_cancel: how the run ends has been said.")


def kept_value(value: Any) -> Any:
    """What is recorded, where the record itself holds it: None for what is none, or did not come to a good end."""
    if as_state_record(value) is not None:
        return None
    record = as_wait_record(value)
    if record is None:
        return value
    return record.get("value") if record["end"] == "done" else None


def large_output(value: Any) -> Optional[Dict[str, str]]:
    """What ``output.get`` has to be asked for, where a recorded wait holds its value elsewhere."""
    record = as_wait_record(value)
    if record is None or record["end"] != "done" or record.get("large") is not True:
        return None
    run = record.get("run")
    return {"run": run} if run is not None else {"job": record["job"]["id"]}
