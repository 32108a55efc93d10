"""What a body asks to wait for, as the control plane hears it (sdk/src/wait-context.ts)."""

from __future__ import annotations

import contextvars
from datetime import timedelta
from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Union

from .converting import InputMismatch, convert
from .external_job import ExternalJob, Submit
from .framing import json_text
from .returned_jobs import place_of
from .steering import delay_ms
from .stored_value import stored_value
from .wait_nodes import AllNode, Leaf, RaceNode, WaitNode
from .waits import Waits

Duration = Union[str, float, timedelta]
"""``"30s"``, ``"5m"``, ``"3h"``, ``"7d"``, seconds, or a timedelta."""

in_step: contextvars.ContextVar[Optional[str]] = contextvars.ContextVar("holdfast_step", default=None)
"""The key of the step whose function runs."""


class StartedRun(NamedTuple):
    """A run of its own."""

    id: str


StartOwn = Callable[[Mapping[str, Any], Submit], None]


class NoInput:
    """Says that a call has no input; the called run's is then an empty object."""

    def __repr__(self) -> str:
        return "NO_INPUT"


NO_INPUT = NoInput()


class Asking:
    """Makes of the arguments of a context's verbs what is waited for. Raises at once for what cannot be."""

    def __init__(
        self, waits: Waits, check_key: Callable[[str], None], start_own: StartOwn, *, waits_for: bool = True
    ) -> None:
        """``start_own``: lets the body start a job by itself. ``waits_for``: False where nothing may be waited for."""
        self._may_wait = waits_for
        self.waits = waits
        self._check_key = check_key
        self._start_own = start_own

    def check(self, key: str) -> None:
        """Raises for a key that cannot be waited under, and where nothing may be waited for."""
        if not self._may_wait:
            why = "the run is to end, and its clean-up waits for nothing"
            raise RuntimeError(f'"{key}" cannot be waited for in on_cancel: {why}.')
        self.check_key(key)

    def check_key(self, key: str) -> None:
        self._check_key(key)
        _refuse_in_step(key)

    def sleep(self, key: str, duration: Duration) -> Leaf:
        self.check(key)
        return self.waits.ask({"kind": "sleep", "key": key, "ms": delay_ms(duration)}, lambda _: None)

    def signal(self, key: str, name: Optional[str], timeout: Optional[Duration], payload_type: Any) -> Leaf:
        self.check(key)
        if name is not None:
            self._check_key(name)
        spec = {"kind": "signal", "key": key, "name": key if name is None else name, **_timeout(timeout)}

        def read(payload: Any) -> Any:
            if payload_type is None:
                return payload
            try:
                return convert(payload, payload_type, "it")
            except InputMismatch as mismatch:
                raise TypeError(f'The signal of "{key}" does not fit: {mismatch}.') from None

        return self.waits.ask(spec, read)

    def call(self, key: str, definition: str, given: Any, timeout: Optional[Duration]) -> Leaf:
        self.check(key)
        asked = {"definition": definition_id(definition), "input": input_of(given, key), **_timeout(timeout)}
        return self.waits.ask({"kind": "call", "key": key, **asked}, _same)

    def map(
        self,
        key: str,
        items: Iterable[Any],
        definition: str,
        item_key: Callable[[Any], Any],
        item_input: Optional[Callable[[Any], Any]],
        concurrency: Optional[int],
        timeout: Optional[Duration],
    ) -> Leaf:
        self.check(key)
        if not callable(item_key):
            raise TypeError(f'The map "{key}" needs a key for its items: item_key=lambda item: item["id"].')
        listed: List[Dict[str, Any]] = []
        for item in items:
            name = _item_name(item_key(item), key)
            listed.append({"key": name, "input": input_of(item_input(item) if item_input else item, f"{key}[{name}]")})
        more: Dict[str, Any] = {} if concurrency is None else {"concurrency": concurrency}
        spec = {"kind": "map", "key": key, "definition": definition_id(definition), "items": listed, **more}
        return self.waits.ask({**spec, **_timeout(timeout)}, _same)

    def external(self, key: str, job: Any, timeout: Optional[Duration], on_unknown: Optional[str]) -> Leaf:
        self.check(key)
        if not isinstance(job, ExternalJob):
            raise TypeError(f'"{key}" is no external job: make it by BigQueryJob or another class of holdfast_sdk.')
        if on_unknown not in (None, "ask", "resubmit"):
            raise ValueError(f'on_unknown is "ask" or "resubmit", not {on_unknown!r}.')
        asked: Dict[str, Any] = stored_value(job._asked, f"The job of {job.service}")
        if "spec" in asked and "{callback}" in json_text(asked["spec"]):
            asked["callback"] = True
        more = {} if on_unknown is None else {"onUnknown": on_unknown}
        spec = {"kind": "external", "key": key, **place_of(job), **asked, **_timeout(timeout), **more}
        submit = job._submit
        if submit is None:
            return self.waits.ask(spec, _same)
        return self.waits.ask({**spec, "own": True}, _same, lambda: self._start_own(spec, submit))

    def all(self, members: Iterable[WaitNode]) -> AllNode:
        return AllNode(list(members))

    def race(self, key: str, members: Mapping[str, WaitNode]) -> RaceNode:
        self.check(key)
        if not members:
            raise TypeError(f'The race "{key}" has no members.')
        node = RaceNode(key, members)
        self.waits.race(node)
        return node


def check_outside_steps(node: WaitNode) -> None:
    """Raises in the function of a step: while that is under way nothing is suspended, so that it would wait for ever."""
    for leaf in node.leaves():
        _refuse_in_step(leaf.key)


def _refuse_in_step(key: str) -> None:
    step = in_step.get()
    if step is not None:
        raise RuntimeError(f'"{key}" waits inside of the step "{step}": wait for it beside the step.')


def definition_id(definition: Any) -> str:
    if isinstance(definition, str):
        return definition
    raise TypeError(f"What is called is named by the id of a task or workflow, a text; {definition!r} is none.")


def input_of(given: Any, key: str) -> Any:
    return {} if isinstance(given, NoInput) else stored_value(given, f'The input of "{key}"')


def _item_name(name: Any, key: str) -> str:
    if isinstance(name, str):
        return name
    if isinstance(name, (bool, int, float)):
        return json_text(name)
    raise TypeError(f'An item of the map "{key}" has {name!r} for its key, which is no text and no number.')


def _timeout(timeout: Optional[Duration]) -> Dict[str, int]:
    return {} if timeout is None else {"timeoutMs": delay_ms(timeout)}


def _same(value: Any) -> Any:
    return value
