"""What a body's waits raise (sdk/src/wait-errors.ts)."""

from __future__ import annotations

from typing import Any, Mapping, Optional


class CallError(Exception):
    """A run that a body called did not succeed."""

    def __init__(self, key: str, run_id: str, status: str, error: Optional[Mapping[str, Any]]) -> None:
        super().__init__(f'"{key}" ({run_id}) {status}{"." if error is None else ": " + str(error.get("message"))}')
        self.run_id = run_id
        """The called run."""
        self.status = status
        """How it ended: ``failed``, ``cancelled`` or ``skipped``."""
        self.error = error
        """Why: ``code``, ``message`` and what else is known of it."""


class WaitTimedOut(Exception):
    """What a body waited for did not come in time."""

    def __init__(self, key: str) -> None:
        super().__init__(f'What "{key}" waits for did not come in time.')
        self.key = key
        """The wait's key."""
