"""How a body waits (sdk/src/wait.ts). Keys are unique in a body; under the same one the record answers.

When a body does nothing but wait, its activation ends: the process is ended from outside, in the call that waits, so that no
``except`` and no ``finally`` sees it. When the wait is over the body starts again, and everything that it has recorded answers
by its key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Callable, Dict, Generator, Generic, Iterable, List, Mapping, NoReturn, Optional, Type, TypeVar, overload

from .asking import NO_INPUT, Asking, Duration, check_outside_steps
from .external_job import ExternalJob
from .wait_nodes import RaceResult, WaitNode
from .waits import Waits

T = TypeVar("T")
E = TypeVar("E")


class OpenWait(Generic[T]):
    """Something that ``ctx.open`` has asked for and that is not waited for yet."""

    def __init__(self, waits: Waits, node: WaitNode) -> None:
        self._waits = waits
        self._node = node

    def result(self) -> T:
        """Waits for it, and answers or raises as the verb of ``ctx`` does."""
        check_outside_steps(self._node)
        result: T = self._waits.wait(self._node)
        return result


class OpenWaits:
    """The verbs of ``ctx`` that wait, without waiting: what they answer goes into ``ctx.all`` and ``ctx.race``, or has ``result()``."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    def sleep(self, key: str, duration: Duration) -> OpenWait[None]:
        """As ``ctx.sleep``."""
        return self._open(self._asking.sleep(key, duration))

    @overload
    def wait_for_signal(
        self, key: str, *, name: Optional[str] = None, timeout: Optional[Duration] = None, payload_type: Type[T]
    ) -> OpenWait[T]: ...

    @overload
    def wait_for_signal(
        self, key: str, *, name: Optional[str] = None, timeout: Optional[Duration] = None, payload_type: Any = None
    ) -> OpenWait[Any]: ...

    def wait_for_signal(
        self, key: str, *, name: Optional[str] = None, timeout: Optional[Duration] = None, payload_type: Any = None
    ) -> OpenWait[Any]:
        """As ``ctx.wait_for_signal``."""
        return self._open(self._asking.signal(key, name, timeout, payload_type))

    def call(
        self, key: str, definition: str, input: Any = NO_INPUT, *, timeout: Optional[Duration] = None
    ) -> OpenWait[Any]:
        """As ``ctx.call``; the called run starts at once."""
        return self._open(self._asking.call(key, definition, input, timeout))

    def map(
        self,
        key: str,
        items: Iterable[E],
        definition: str,
        *,
        item_key: Callable[[E], Any],
        item_input: Optional[Callable[[E], Any]] = None,
        concurrency: Optional[int] = None,
        timeout: Optional[Duration] = None,
    ) -> OpenWait[List[Any]]:
        """As ``ctx.map``."""
        return self._open(self._asking.map(key, items, definition, item_key, item_input, concurrency, timeout))

    def external(
        self, key: str, job: ExternalJob, *, timeout: Optional[Duration] = None, on_unknown: Optional[str] = None
    ) -> OpenWait[Any]:
        """As ``ctx.external``."""
        return self._open(self._asking.external(key, job, timeout, on_unknown))

    def all(self, waits: Iterable[OpenWait[T]]) -> OpenWait[List[T]]:
        """As ``ctx.all``."""
        return self._open(self._asking.all(_open_node(wait, "ctx.all") for wait in waits))

    def race(self, key: str, waits: Mapping[str, OpenWait[Any]]) -> OpenWait[RaceResult]:
        """As ``ctx.race``."""
        members = {name: _open_node(wait, "ctx.race") for name, wait in waits.items()}
        return self._open(self._asking.race(key, members))

    def _open(self, node: WaitNode) -> OpenWait[Any]:
        return OpenWait(self._asking.waits, node)


class WaitContext:
    """How a body that is a plain function waits: in the call."""

    open: OpenWaits
    """The same verbs, without waiting: for ``all``, for ``race``, and for what is to go on meanwhile."""

    def sleep(self, key: str, duration: Duration) -> None:
        """Waits so long: ``"30s"``, ``"3h"``, seconds or a timedelta."""
        self.open.sleep(key, duration).result()

    @overload
    def wait_for_signal(
        self, key: str, *, name: Optional[str] = None, timeout: Optional[Duration] = None, payload_type: Type[T]
    ) -> T: ...

    @overload
    def wait_for_signal(
        self, key: str, *, name: Optional[str] = None, timeout: Optional[Duration] = None, payload_type: Any = None
    ) -> Any: ...

    def wait_for_signal(
        self, key: str, *, name: Optional[str] = None, timeout: Optional[Duration] = None, payload_type: Any = None
    ) -> Any:
        """Waits for a signal of the name (default: the key): the oldest one that nobody has taken, or the next.

        ``payload_type`` is an annotation, such as a dataclass: the payload is made into it, as inputs are. Raises WaitTimedOut
        after ``timeout``, and TypeError when the payload does not fit.
        """
        return self.open.wait_for_signal(key, name=name, timeout=timeout, payload_type=payload_type).result()

    def call(self, key: str, definition: str, input: Any = NO_INPUT, *, timeout: Optional[Duration] = None) -> Any:
        """Runs a task or workflow, named by its id, as a child of this run and answers its output.

        Raises CallError when it does not succeed, and WaitTimedOut when it has not ended ``timeout`` after its start, waits
        included. This run does not succeed before what it called has ended, whether it waits for it or not.
        """
        return self.open.call(key, definition, input, timeout=timeout).result()

    def map(
        self,
        key: str,
        items: Iterable[E],
        definition: str,
        *,
        item_key: Callable[[E], Any],
        item_input: Optional[Callable[[E], Any]] = None,
        concurrency: Optional[int] = None,
        timeout: Optional[Duration] = None,
    ) -> List[Any]:
        """Runs a task for each item, as children of one run, and answers their outputs in the order of the items.

        ``item_key``: the identity of an item (``parts[eu]``), different for each. ``item_input``: what the task is given;
        default the item. ``concurrency``: how many may be under way at a time; default all. ``timeout``: of each item. Raises as
        ``call``.
        """
        opened = self.open.map(
            key, items, definition, item_key=item_key, item_input=item_input, concurrency=concurrency, timeout=timeout
        )
        return opened.result()

    def external(
        self, key: str, job: ExternalJob, *, timeout: Optional[Duration] = None, on_unknown: Optional[str] = None
    ) -> Any:
        """Starts a job of another system, or takes one over that has been started, and answers what comes of it.

        It starts at once, and this run does not succeed before it has ended; what ends the run ends the job. ``timeout``: how long
        it may take, from now; then it is ended. ``on_unknown``: what happens when nobody can say whether it was started, which its
        service then neither knows by a token nor lists: ``"ask"`` (default) waits for a person, ``"resubmit"`` starts it once more.
        Raises ExternalJobError when it does not succeed, WaitTimedOut after its timeout.
        """
        return self.open.external(key, job, timeout=timeout, on_unknown=on_unknown).result()

    def all(self, waits: Iterable[OpenWait[T]]) -> List[T]:
        """Waits for all of them in one suspension, also when some raise; then answers the list, or raises as the first of the
        list that did. They are made by ``ctx.open``."""
        return self.open.all(waits).result()

    def race(self, key: str, waits: Mapping[str, OpenWait[Any]]) -> RaceResult:
        """Waits for the first of them, and records which it was: the others are dropped, and what they called is cancelled.

        Answers its name and value; raises when the winner does. They are made by ``ctx.open``.
        """
        return self.open.race(key, waits).result()


class Wait(Coroutine[Any, Any, T]):
    """Something that an asynchronous body waits for: await it, or several of them by ``ctx.all`` and ``ctx.race``.

    It may be awaited more than once, and be given to ``asyncio.gather`` and ``asyncio.create_task``.
    """

    def __init__(self, waits: Waits, node: WaitNode) -> None:
        self._waits = waits
        self._node = node
        # Each task of asyncio that was made of it drives it by itself.
        self._driven: Dict[Any, Generator[Any, Any, T]] = {}

    def __await__(self) -> Generator[Any, Any, T]:
        check_outside_steps(self._node)
        return asyncio.wrap_future(self._waits.outcome(self._node)).__await__()

    def send(self, value: Any) -> Any:
        return self._drive(lambda steps: steps.send(value))

    def throw(self, *error: Any) -> Any:
        return self._drive(lambda steps: steps.throw(*error))

    def close(self) -> None:
        for steps in self._driven.values():
            steps.close()

    def _drive(self, on: Callable[[Generator[Any, Any, T]], Any]) -> Any:
        task = asyncio.current_task()
        if task not in self._driven:
            self._driven[task] = _steps_of(self)
        try:
            return on(self._driven[task])
        except BaseException:  # StopIteration: it is over
            del self._driven[task]
            raise


class AsyncWaitContext:
    """How an asynchronous body waits: ``await`` what these answer."""

    _asking: Asking

    def sleep(self, key: str, duration: Duration) -> Wait[None]:
        """Waits so long: ``"30s"``, ``"3h"``, seconds or a timedelta."""
        return self._wait(self._asking.sleep(key, duration))

    @overload
    def wait_for_signal(
        self, key: str, *, name: Optional[str] = None, timeout: Optional[Duration] = None, payload_type: Type[T]
    ) -> Wait[T]: ...

    @overload
    def wait_for_signal(
        self, key: str, *, name: Optional[str] = None, timeout: Optional[Duration] = None, payload_type: Any = None
    ) -> Wait[Any]: ...

    def wait_for_signal(
        self, key: str, *, name: Optional[str] = None, timeout: Optional[Duration] = None, payload_type: Any = None
    ) -> Wait[Any]:
        """As WaitContext.wait_for_signal."""
        return self._wait(self._asking.signal(key, name, timeout, payload_type))

    def call(self, key: str, definition: str, input: Any = NO_INPUT, *, timeout: Optional[Duration] = None) -> Wait[Any]:
        """As WaitContext.call; the called run starts at once, awaited or not."""
        return self._wait(self._asking.call(key, definition, input, timeout))

    def map(
        self,
        key: str,
        items: Iterable[E],
        definition: str,
        *,
        item_key: Callable[[E], Any],
        item_input: Optional[Callable[[E], Any]] = None,
        concurrency: Optional[int] = None,
        timeout: Optional[Duration] = None,
    ) -> Wait[List[Any]]:
        """As WaitContext.map."""
        return self._wait(self._asking.map(key, items, definition, item_key, item_input, concurrency, timeout))

    def external(
        self, key: str, job: ExternalJob, *, timeout: Optional[Duration] = None, on_unknown: Optional[str] = None
    ) -> Wait[Any]:
        """As WaitContext.external; what starts an ``own`` job may be asynchronous."""
        return self._wait(self._asking.external(key, job, timeout, on_unknown))

    def all(self, waits: Iterable[Wait[T]]) -> Wait[List[T]]:
        """Waits for all of them in one suspension, also when some raise; then answers the list, or raises as the first of the
        list that did."""
        return self._wait(self._asking.all(_async_node(wait, "ctx.all") for wait in waits))

    def race(self, key: str, waits: Mapping[str, Wait[Any]]) -> Wait[RaceResult]:
        """Waits for the first of them, and records which it was: the others are dropped, and what they called is cancelled.

        Answers its name and value; raises when the winner does.
        """
        members = {name: _async_node(wait, "ctx.race") for name, wait in waits.items()}
        return self._wait(self._asking.race(key, members))

    def _wait(self, node: WaitNode) -> Wait[Any]:
        return Wait(self._asking.waits, node)


def _steps_of(wait: Wait[T]) -> Generator[Any, Any, T]:
    return (yield from wait.__await__())


def _open_node(wait: Any, where: str) -> WaitNode:
    if isinstance(wait, OpenWait):
        return wait._node
    _refuse(where, "ctx.open.sleep, ctx.open.call, ctx.open.map, ctx.open.external and the others of ctx.open answer")


def _async_node(wait: Any, where: str) -> WaitNode:
    if isinstance(wait, Wait):
        return wait._node
    _refuse(where, "ctx.sleep, ctx.call, ctx.map, ctx.wait_for_signal, ctx.external, ctx.all and ctx.race answer")


def _refuse(where: str, what: str) -> NoReturn:
    raise TypeError(f"{where} takes what {what}.")
