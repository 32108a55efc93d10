"""Values that outlive an activation (sdk/src/state.ts). Reads are live. Each write is a step: it and its record commit together, so that it
takes effect once, and an activation that has lost its run writes nothing.

``as_`` names the write. Without it each has a name of its own; name the relative ones (increment, append, update) by the item where a loop
is led by what state says. Raises TypeError for what JSON cannot keep, and AppError: ``state_conflict``, ``state_mismatch``,
``limit_exceeded``.
"""

from __future__ import annotations

import random
import threading
from typing import Any, Awaitable, Callable, Dict, Generator, List, Mapping, Optional, Protocol, Sequence, Tuple, Union

from .asking import in_step
from .errors import AppError, is_app_error
from .state_changes import (
    Op,
    Retention,
    StateChange,
    StateChanges,
    StateEntry,
    StateResult,
    check_prefix,
    entry_of,
    joined_name,
    name_of,
    ops_of,
    results_of,
    scope_name,
)
from .state_keys import changes_hash, write_name
from .state_migration import listed, migrated

_MARK = "holdfast.state"
_UPDATE_TRIES = 100
_LONGEST_PAUSE_S = 0.25

Acts = Generator[Tuple[str, Any], Any, Any]
"""What is to be done: ``call`` with method and params, ``ask`` with a function, ``pause`` with seconds. Returns what is answered."""


def as_state_record(value: Any) -> Optional[Mapping[str, Any]]:
    """The record that a step's value is, or None where it is no write's of state."""
    return value if isinstance(value, dict) and value.get(_MARK) == "done" else None


class Names:
    """Counts the writes of an activation, by their names."""

    def __init__(self, epoch: int = 0) -> None:
        self._epoch = epoch
        self._counts: Dict[str, int] = {}
        self._lock = threading.Lock()

    def key(self, name: str, as_: Optional[str]) -> str:
        if as_ is not None:
            return as_
        step = in_step.get()
        if step is not None:
            raise RuntimeError(
                f'State is written inside of the step "{step}": name the write (as_="…"), or write beside the step.'
            )
        return self._counted(name)

    def fresh(self, name: str) -> str:
        """A key that no earlier activation used."""
        return self._counted(f"{name}@{self._epoch}")

    def _counted(self, name: str) -> str:
        with self._lock:
            self._counts[name] = self._counts.get(name, 0) + 1
            return f"{name}#{self._counts[name]}"


class Write:
    """One write: its key, and what it says; ``known`` makes the answer of its record, ``acts`` carries it out, ``results`` says what each
    of its changes did."""

    def __init__(
        self, key: str, ops: Optional[Sequence[Op]], acts: Callable[[], Acts], changes: Sequence[StateChange] = ()
    ) -> None:
        self.key = key
        self._ops = ops
        self.acts = acts
        self._changes = changes

    def results(self, record: Mapping[str, Any]) -> List[StateResult]:
        return results_of(self._changes, record)

    def known(self, value: Any, warn: Callable[[str], None]) -> Mapping[str, Any]:
        record = as_state_record(value)
        if record is None:
            raise RuntimeError(f'"{self.key}" is the key of a step: give each use a key of its own.')
        if self._ops is not None and record.get("hash") != changes_hash(list(self._ops)):
            warn(
                f'"{self.key}" is recorded with other changes: its record answers, and nothing is changed. '
                "Give each write a name of its own."
            )
        return record


class Scope:
    """What both kinds of handles say."""

    def __init__(self, op: StateChanges, scope: Mapping[str, str], names: Names) -> None:
        self.op = op
        self._scope = dict(scope)
        self._names = names
        self._is_ready = False
        op.ready = self.ready

    def ready(self) -> Acts:
        """Returns once the values are of the version that the task declares."""
        versioned = self.op.versioned
        if versioned is not None and not self._is_ready:
            yield from migrated(versioned, self.op, self._scope, self._names.fresh)
        self._is_ready = True

    def write(self, changes: Sequence[StateChange], as_: Optional[str], together: bool = False) -> Write:
        ops = ops_of(list(changes))
        key = self._names.key(joined_name(ops) if together else name_of(ops), as_)
        return Write(key, ops, lambda: _changed(key, changes, ops), changes)

    def update(
        self, key: str, fn: Callable[[Any], Any], retention: Optional[Retention], as_: Optional[str]
    ) -> Write:
        step = self._names.key(write_name("update", scope_name(self._scope), self.op.key(key)), as_)
        return Write(step, None, lambda: self._updated(step, key, fn, retention))

    def read(self, key: str) -> Acts:
        self.op.key(key)
        yield from self.ready()
        answer = yield "call", ("state.get", {"scope": dict(self._scope), "keys": [self.op.key(key)]})
        values = answer["values"]
        return values[0] if values else None

    def listed(self, prefix: Optional[str]) -> Acts:
        if prefix is not None:
            check_prefix(prefix)
        yield from self.ready()
        views = yield from listed(self._scope, prefix)
        return [entry_of(view) for view in views if not view["key"].startswith("holdfast.")]

    def _updated(self, step: str, key: str, fn: Callable[[Any], Any], retention: Optional[Retention]) -> Acts:
        for tries in range(1, _UPDATE_TRIES + 1):
            before = yield from self.read(key)
            made = yield "ask", (fn, None if before is None else before["value"])
            version = 0 if before is None else before["version"]
            change = self.op.set(key, made, if_version=version, retention=retention)
            try:
                return (yield from _commit(step, ops_of([change]), made))
            except AppError as error:
                if not is_app_error(error, "state_conflict") or tries == _UPDATE_TRIES:
                    raise
            yield "pause", random.random() * min(2**tries / 1000, _LONGEST_PAUSE_S)
        raise AssertionError("an update ends by its last try")


def _changed(key: str, changes: Sequence[StateChange], ops: Sequence[Op]) -> Acts:
    for of in {id(change._of): change._of for change in changes}.values():
        if of is not None and of.ready is not None:
            yield from of.ready()
    return (yield from _commit(key, ops))


def _commit(key: str, ops: Sequence[Op], value: Any = None) -> Acts:
    more = {} if value is None else {"value": ops[0]["value"]}
    answer = yield "call", ("state.transact", {"key": key, "ops": list(ops), **more})
    return answer["value"]


class Place(Protocol):
    """How a plain function's context carries acts out."""

    def read_state(self, acts: Acts) -> Any: ...

    def write_state(self, write: Write) -> Mapping[str, Any]: ...


class AsyncPlace(Protocol):
    async def read_state(self, acts: Acts) -> Any: ...

    async def write_state(self, write: Write) -> Mapping[str, Any]: ...


class State:
    """State as a plain function has it."""

    def __init__(self, scope: Scope, place: Place) -> None:
        self._scope = scope
        self._place = place
        self.op = scope.op
        """Makes changes for ``transact``."""

    def get(self, key: str, default: Any = None) -> Any:
        """The value; ``default`` where there is none, or it has expired. None is a value."""
        view = self._place.read_state(self._scope.read(key))
        return default if view is None else view["value"]

    def entry(self, key: str) -> Optional[StateEntry]:
        """The value with its version, writer and times."""
        view = self._place.read_state(self._scope.read(key))
        return None if view is None else entry_of(view)

    def list(self, prefix: Optional[str] = None) -> List[StateEntry]:
        """All whose key begins so, in the order of keys."""
        listed: List[StateEntry] = self._place.read_state(self._scope.listed(prefix))
        return listed

    def set(
        self,
        key: str,
        value: Any,
        *,
        if_version: Optional[int] = None,
        retention: Optional[Retention] = None,
        as_: Optional[str] = None,
    ) -> int:
        """Sets a value and answers its version. ``if_version``: only while it has this one, 0: only while there is none; else
        ``state_conflict``. ``retention``: how long it is kept; ``"never"`` and 0: until it is deleted."""
        return self._one(self.op.set(key, value, if_version=if_version, retention=retention), as_).version

    def delete(self, key: str, *, if_version: Optional[int] = None, as_: Optional[str] = None) -> None:
        """Deletes a value; of what is not there: nothing."""
        self._one(self.op.delete(key, if_version=if_version), as_)

    def clear(self, prefix: Optional[str] = None, *, as_: Optional[str] = None) -> int:
        """Deletes all values, or those whose key begins so, and answers how many."""
        return self._one(self.op.clear(prefix), as_).cleared or 0

    def increment(self, key: str, by: float = 1, *, as_: Optional[str] = None) -> Any:
        """Adds to a number, at first to 0, and answers the sum."""
        return self._one(self.op.increment(key, by), as_).value

    def append(self, key: str, item: Any, *, as_: Optional[str] = None) -> int:
        """Adds to a list, at first to an empty one, and answers its length."""
        return self._one(self.op.append(key, item), as_).length or 0

    def set_if_max(self, key: str, value: Union[float, str], *, as_: Optional[str] = None) -> bool:
        """Sets what is greater than the value that is there, or where there is none. Answers whether it did."""
        return self._one(self.op.set_if_max(key, value), as_).changed is True

    def update(
        self, key: str, fn: Callable[[Any], Any], *, retention: Optional[Retention] = None, as_: Optional[str] = None
    ) -> Any:
        """Writes what ``fn`` makes of the value that is there (None: none), and answers it. Where somebody else writes in between,
        ``fn`` is asked again."""
        return self._place.write_state(self._scope.update(key, fn, retention, as_)).get("value")

    def transact(self, changes: Sequence[StateChange], *, as_: Optional[str] = None) -> List[StateResult]:
        """Makes all of these changes, of this scope and of others, or none."""
        write = self._scope.write(changes, as_, together=True)
        return write.results(self._place.write_state(write))

    def _one(self, change: StateChange, as_: Optional[str]) -> StateResult:
        write = self._scope.write([change], as_)
        return write.results(self._place.write_state(write))[0]


class AsyncState:
    """State as an ``async def`` has it: as ``State``, awaited."""

    def __init__(self, scope: Scope, place: AsyncPlace) -> None:
        self._scope = scope
        self._place = place
        self.op = scope.op
        """Makes changes for ``transact``."""

    async def get(self, key: str, default: Any = None) -> Any:
        """As State.get."""
        view = await self._place.read_state(self._scope.read(key))
        return default if view is None else view["value"]

    async def entry(self, key: str) -> Optional[StateEntry]:
        """As State.entry."""
        view = await self._place.read_state(self._scope.read(key))
        return None if view is None else entry_of(view)

    async def list(self, prefix: Optional[str] = None) -> List[StateEntry]:
        """As State.list."""
        listed: List[StateEntry] = await self._place.read_state(self._scope.listed(prefix))
        return listed

    async def set(
        self,
        key: str,
        value: Any,
        *,
        if_version: Optional[int] = None,
        retention: Optional[Retention] = None,
        as_: Optional[str] = None,
    ) -> int:
        """As State.set."""
        return (await self._one(self.op.set(key, value, if_version=if_version, retention=retention), as_)).version

    async def delete(self, key: str, *, if_version: Optional[int] = None, as_: Optional[str] = None) -> None:
        """As State.delete."""
        await self._one(self.op.delete(key, if_version=if_version), as_)

    async def clear(self, prefix: Optional[str] = None, *, as_: Optional[str] = None) -> int:
        """As State.clear."""
        return (await self._one(self.op.clear(prefix), as_)).cleared or 0

    async def increment(self, key: str, by: float = 1, *, as_: Optional[str] = None) -> Any:
        """As State.increment."""
        return (await self._one(self.op.increment(key, by), as_)).value

    async def append(self, key: str, item: Any, *, as_: Optional[str] = None) -> int:
        """As State.append."""
        return (await self._one(self.op.append(key, item), as_)).length or 0

    async def set_if_max(self, key: str, value: Union[float, str], *, as_: Optional[str] = None) -> bool:
        """As State.set_if_max."""
        return (await self._one(self.op.set_if_max(key, value), as_)).changed is True

    async def update(
        self,
        key: str,
        fn: Callable[[Any], Union[Any, Awaitable[Any]]],
        *,
        retention: Optional[Retention] = None,
        as_: Optional[str] = None,
    ) -> Any:
        """As State.update; ``fn`` may be asynchronous."""
        return (await self._place.write_state(self._scope.update(key, fn, retention, as_))).get("value")

    async def transact(self, changes: Sequence[StateChange], *, as_: Optional[str] = None) -> List[StateResult]:
        """As State.transact."""
        write = self._scope.write(changes, as_, together=True)
        return write.results(await self._place.write_state(write))

    async def _one(self, change: StateChange, as_: Optional[str]) -> StateResult:
        write = self._scope.write([change], as_)
        return write.results(await self._place.write_state(write))[0]
