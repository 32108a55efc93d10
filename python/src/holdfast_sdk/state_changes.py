"""What changes of state say, before anything is sent (sdk/src/state-context.ts)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Union

from . import limits
from .state_keys import utf16_length, write_name
from .state_schema import VERSION_KEY, StateSchema
from .steering import delay_ms
from .stored_value import stored_value
from .text import text_defect

Retention = Union[str, timedelta, int]
"""``"7d"`` or a timedelta; ``"never"`` and 0: until it is deleted."""

Op = Dict[str, Any]


class StateChange:
    """A change that ``transact`` makes together with others."""

    def __init__(self, op: Op, of: Optional["StateChanges"] = None, more: Sequence[Op] = ()) -> None:
        self._ops = [op, *more]
        """The first is what was asked for; what follows goes with it."""
        self._of = of


@dataclass(frozen=True)
class StateResult:
    """What a change did. ``version``: of the value from now on; 0: there is none."""

    version: int
    value: Any = None
    changed: Optional[bool] = None
    length: Optional[int] = None
    cleared: Optional[int] = None
    number: Optional[int] = None
    """Of the event that was told, or of the one that had its key before; ``emitted``: whether it is new."""
    emitted: Optional[bool] = None


@dataclass(frozen=True)
class StateWriter:
    """The activation that wrote a value."""

    run: str
    epoch: int


@dataclass(frozen=True)
class StateEntry:
    """A value with what is known of it. Times are RFC 3339; ``writer`` None: a person."""

    key: str
    value: Any
    version: int
    writer: Optional[StateWriter]
    created_at: str
    updated_at: str
    expires_at: Optional[str]


class StateChanges:
    """Makes changes for ``transact``."""

    def __init__(self, what: str, scope: Mapping[str, str], schema: Optional[StateSchema] = None) -> None:
        self._what = what
        self._scope = dict(scope)
        self._schema = StateSchema() if schema is None else schema
        self.versioned = self._schema.versioned
        self.ready: Optional[Callable[[], Any]] = None
        """What has to be done before its scope is used; its handle says it."""

    def set(
        self, key: str, value: Any, *, if_version: Optional[int] = None, retention: Optional[Retention] = None
    ) -> StateChange:
        """Sets a value; ``if_version``: only while it has this version, 0: only while there is none."""
        return self._made("set", key, value=self.value(key, value), **_version(if_version), **_retention(retention))

    def delete(self, key: str, *, if_version: Optional[int] = None) -> StateChange:
        """Deletes a value, if it is there."""
        return self._made("delete", key, **_version(if_version))

    def clear(self, prefix: Optional[str] = None) -> StateChange:
        """Deletes all values, or those whose keys begin so."""
        asked = {} if prefix is None else {"prefix": check_prefix(prefix)}
        clear = {"op": "clear", "scope": dict(self._scope), **asked}
        versioned = self._schema.versioned
        if versioned is None or versioned.version == 1 or not VERSION_KEY.startswith(prefix or ""):
            return StateChange(clear, self)
        # What is written from now on is still of this version.
        return StateChange(clear, self, [{"op": "set", "scope": dict(self._scope), "key": VERSION_KEY, "value": versioned.version}])

    def increment(self, key: str, by: float = 1) -> StateChange:
        """Adds to a number, at first to 0."""
        if isinstance(by, bool) or not isinstance(by, (int, float)) or not math.isfinite(by):
            raise TypeError(f'What "{key}" is incremented by is {by!r}, which is no number.')
        kept = stored_value(by, f'What "{key}" is incremented by')
        self._schema.value(self.key(key), kept, self._what)
        return self._made("increment", key, by=kept)

    def append(self, key: str, item: Any) -> StateChange:
        """Adds to a list, at first to an empty one."""
        kept = stored_value(item, f'What is appended to {self._what} at "{key}"')
        self._schema.value(self.key(key), [kept], self._what)
        return self._made("append", key, value=kept)

    def set_if_max(self, key: str, value: Union[float, str]) -> StateChange:
        """Sets what is greater than the value that is there, or where there is none; texts by code points."""
        kept = self.value(key, value)
        if isinstance(kept, bool) or not isinstance(kept, (int, float, str)):
            raise TypeError(f'What "{key}" is set to where it is greater is no number and no text.')
        return self._made("setIfMax", key, value=kept)

    def value(self, key: str, value: Any) -> Any:
        """What is kept of a value. Raises TypeError."""
        kept = stored_value(value, f'The value of {self._what} at "{key}"')
        self._schema.value(self.key(key), kept, self._what)
        return kept

    def key(self, key: Any) -> str:
        """Raises TypeError for what is no key, or none that the task declares."""
        if not isinstance(key, str) or not 0 < utf16_length(key) <= limits.KEY_CHARACTERS:
            raise TypeError(f"A key of {self._what} is a text of 1 to {limits.KEY_CHARACTERS} characters.")
        defect = text_defect(key)
        if defect is not None:
            raise TypeError(f"A key of {self._what} has a {defect}, which cannot be stored.")
        if key.startswith("holdfast."):
            raise TypeError(f'"{key}": keys of {self._what} that begin with "holdfast." are the SDK\'s own.')
        self._schema.key(key, self._what)
        return key

    def _made(self, op: str, key: str, **facts: Any) -> StateChange:
        return StateChange({"op": op, "scope": dict(self._scope), "key": self.key(key), **facts}, self)


def ops_of(changes: Any) -> List[Op]:
    """What changes say. Raises TypeError for what is no list of them."""
    listed: Sequence[Any] = changes if isinstance(changes, (list, tuple)) else ()
    if not all(isinstance(each, StateChange) for each in listed):
        raise TypeError("transact takes changes: [ctx.state.op.set(…), ctx.task_state.op.increment(…)].")
    ops = [op for each in listed for op in each._ops]
    if not 0 < len(ops) <= limits.STATE_OPS_PER_TRANSACTION:
        raise TypeError(f"transact takes a list of 1 to {limits.STATE_OPS_PER_TRANSACTION} changes.")
    return ops


def results_of(changes: Sequence[StateChange], record: Mapping[str, Any]) -> List[StateResult]:
    """What each of the changes did. What went with one is not counted as its own."""
    found: List[StateResult] = []
    at = 0
    for each in changes:
        result = result_of(record["results"][at])
        beside = len(each._ops) - 1
        at += 1 + beside
        found.append(replace(result, cleared=max(0, (result.cleared or 0) - beside)) if beside else result)
    return found


def scope_name(scope: Mapping[str, str]) -> str:
    """As it stands in the names of steps. What is written of an asset has its name, watermarks among it."""
    return f"asset:{scope['id']}" if "id" in scope else scope["kind"]


def name_of(ops: Sequence[Op]) -> str:
    """The name of one change, before it is counted."""
    op = ops[0]
    return write_name(op["op"], scope_name(op["scope"]), op.get("key", ""), _absolute(ops))


def joined_name(ops: Sequence[Op]) -> str:
    """The name of changes that are made together."""
    places = "+".join(dict.fromkeys(scope_name(op["scope"]) for op in ops))
    return write_name("transact", places, ",".join(op.get("key", "") for op in ops), _absolute(ops))


def _absolute(ops: Sequence[Op]) -> Optional[List[Op]]:
    """What distinguishes changes that say by themselves what is to be there; None where one does not."""
    return None if any(_is_relative(op) for op in ops) else list(ops)


def _is_relative(op: Op) -> bool:
    return op["op"] in ("increment", "append") or (op["op"] == "emit" and "key" not in op)


def check_prefix(prefix: Any) -> str:
    if isinstance(prefix, str) and utf16_length(prefix) <= limits.KEY_CHARACTERS and text_defect(prefix) is None:
        return prefix
    raise TypeError(f"A prefix is a text of at most {limits.KEY_CHARACTERS} characters.")


def entry_of(view: Mapping[str, Any]) -> StateEntry:
    writer = view["writer"]
    return StateEntry(
        key=view["key"],
        value=view["value"],
        version=view["version"],
        writer=None if writer is None else StateWriter(writer["run"], writer["epoch"]),
        created_at=view["createdAt"],
        updated_at=view["updatedAt"],
        expires_at=view["expiresAt"],
    )


_RESULT = ("version", "value", "changed", "length", "cleared", "number", "emitted")


def result_of(result: Mapping[str, Any]) -> StateResult:
    return StateResult(**{name: result[name] for name in _RESULT if name in result})


def _version(if_version: Optional[int]) -> Dict[str, int]:
    if if_version is None:
        return {}
    if isinstance(if_version, int) and not isinstance(if_version, bool) and if_version >= 0:
        return {"ifVersion": if_version}
    raise TypeError(f'if_version is {if_version!r}, which is no version: a whole number, 0 for "none".')


def _retention(retention: Optional[Retention]) -> Dict[str, Optional[int]]:
    if retention is None:
        return {}
    if retention == "never" or (retention == 0 and not isinstance(retention, bool)):
        return {"retentionMs": None}
    if isinstance(retention, (str, timedelta)):
        ms = delay_ms(retention)
        if ms > 0:
            return {"retentionMs": ms}
    raise ValueError(f'{retention!r} is no retention: write "30m", "7d", a timedelta or "never".')
