"""How the end of a wait is recorded, among the steps of a run (protocol/src/waits.ts)."""

from __future__ import annotations

from typing import Any, Mapping, Optional

WAIT_MARK = "holdfast.wait"
_KINDS = ("sleep", "signal", "call", "external")
_ENDS = ("done", "failed", "timed_out", "dropped")


def as_wait_record(value: Any) -> Optional[Mapping[str, Any]]:
    """The record that a step's value is, or None where it is no wait's."""
    if not isinstance(value, dict) or value.get(WAIT_MARK) not in _KINDS:
        return None
    return value if value.get("end") in _ENDS and isinstance(value.get("attempt"), int) else None


def is_standing(value: Any, attempt: int) -> bool:
    """Whether a recorded value answers in this try: what failed or timed out does so in its own alone."""
    record = as_wait_record(value)
    return record is None or record["end"] in ("done", "dropped") or bool(record["attempt"] == attempt)
