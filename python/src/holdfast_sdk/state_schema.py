"""What a task declares of its state (sdk/src/state-schema.ts): a class whose annotated names are the keys, with their types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, Mapping, Optional, Union

from .annotation_schema import Schema, check, record_schema
from .converting import InputMismatch, nearest

VERSION_KEY = "holdfast.version"

Migrate = Callable[[Dict[str, Any], int], Mapping[str, Any]]


@dataclass(frozen=True)
class VersionedState:
    """A declaration with a version: what was written by code of an earlier one is handed to ``migrate`` once, at the first use, and
    what that returns is written in one commit::

        @task(task_state=VersionedState(Totals, version=2, migrate=lambda values, from_: {"total": values["sum"]}))
    """

    schema: type
    """A TypedDict, a dataclass, or a class that only annotates."""
    version: int
    """From 1; values that were written without one are of version 1."""
    migrate: Optional[Migrate] = None
    """Makes of all values of an earlier version those of this one. What it leaves out is deleted. At most 99 keys may change."""

    def __post_init__(self) -> None:
        if isinstance(self.version, bool) or not isinstance(self.version, int) or self.version < 1:
            raise TypeError(f"The version of a state is {self.version!r}: it has to be a whole number from 1.")
        if self.migrate is not None and not callable(self.migrate):
            raise TypeError("What migrates a state has to be a function of its values and their version.")


StateDeclaration = Union[type, VersionedState]


class StateSchema:
    """What one scope's keys and values have to be; without a declaration anything."""

    def __init__(self, declared: Optional[StateDeclaration] = None) -> None:
        self.versioned = declared if isinstance(declared, VersionedState) else None
        wanted = self.versioned.schema if self.versioned is not None else declared
        self.schema: Optional[Schema] = None if wanted is None else record_schema(wanted)

    def key(self, key: str, what: str) -> None:
        """Raises TypeError for a key that is not declared."""
        if self.schema is not None and key not in self.schema["properties"]:
            names = self.schema["properties"]
            raise TypeError(f'The schema of {what} has no "{key}".{nearest(key, names) or _known(names)}')

    def value(self, key: str, value: Any, what: str) -> None:
        """Raises TypeError for a value of JSON that does not fit, with the place of the mistake. ``what``: how messages name the scope."""
        if self.schema is None:
            return
        self.key(key, what)
        try:
            check(value, self.schema["properties"][key], f'The value of {what} at "{key}"', self.schema.get("$defs", {}))
        except InputMismatch as mismatch:
            raise TypeError(f"{mismatch}.") from None

    def spec(self) -> Optional[Dict[str, Any]]:
        """As a manifest has it; None where nothing is declared."""
        if self.schema is None:
            return None
        return {"version": 1 if self.versioned is None else self.versioned.version, "schema": self.schema}


def _known(names: Mapping[str, Any]) -> str:
    return f" It has {', '.join(names)}."
