"""What a body is given beside its input (sdk/src/context.ts).

A parameter that is annotated with one of these classes, or named ``ctx``, is given the context: an AsyncTaskContext where
the body is ``async def``, else a TaskContext.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import inspect
import sys
import time
from dataclasses import dataclass
from typing import Any, Awaitable, Callable, Dict, Mapping, NoReturn, Optional, Set, Tuple, TypeVar, Union, cast

from .abort import AbortSignal
from .asking import NO_INPUT, Asking, StartedRun, definition_id, input_of
from .asset_changes import AssetScope
from .assets import Asset, AsyncAsset
from .channel_socket import Call
from .clean_up import does_not_skip, kept_value, large_output, reason_of
from .external_job import Submit
from .framing import json_text
from .own_jobs import start_async, start_here
from .reports import ProgressSender, TaskLog
from .steering import skip
from .state import AsyncState, Names, Scope, State
from .state_changes import StateChanges
from .state_place import LoopPlace, ThreadPlace
from .state_schema import StateSchema
from .steps import Steps, inside_step, step_value
from .task import TaskOptions
from .turns import LoopTurns, ThreadTurns, Turns
from .wait_context import AsyncWaitContext, OpenWaits, WaitContext
from .waits import Waits

T = TypeVar("T")


@dataclass(frozen=True)
class RunIdentity:
    """The run that a body is carrying out."""

    id: str
    root_id: str
    parent_id: Optional[str]
    definition: str
    """The workflow that this run is a node of; None for a root."""
    workflow: Optional[str]
    """The node's name in its workflow (``transform[eu]``), or the definition's id for a root."""
    name: str
    """The identity of the item, for a mapped child."""
    item: Optional[str]
    key: Optional[str]
    """Rises when the run is cleared to start fresh."""
    generation: int


class Context:
    """What both kinds of context have."""

    def __init__(
        self,
        start: Mapping[str, Any],
        call: Call,
        abort_signal: AbortSignal,
        log: Optional[TaskLog] = None,
        turns: Optional[Turns] = None,
    ) -> None:
        run = start["run"]
        self.run = RunIdentity(
            id=run["id"],
            root_id=run["rootId"],
            parent_id=run["parentId"],
            definition=run["definition"],
            workflow=run["workflow"],
            name=run["name"],
            item=run["item"],
            key=run["key"],
            generation=run["generation"],
        )
        self.attempt: int = start["attempt"]
        """The try that users see and count, from 1."""
        self.epoch: int = start["epoch"]
        """Which start of the body this is, over all attempts."""
        self.reason = reason_of(start)
        """Why the run was cut off, in the function that a task's ``on_cancel`` names; None in a body."""
        self.abort_signal = abort_signal
        self.traceparent: Optional[str] = start.get("traceparent")
        """W3C ``traceparent`` of this activation's span, for what the body calls; None where nothing is traced."""
        self.log = TaskLog(call) if log is None else log
        self._call = call
        self._token_seed: str = start["tokenSeed"]
        self._progress = ProgressSender(call)
        recorded = {step["key"]: step["value"] for step in start["steps"]}
        self._waits = Waits(call, self.attempt, recorded, self.log.warning, turns or ThreadTurns(), self._hand_over)
        self._steps = Steps(recorded, call, self.log.warning, self.traceparent is not None)
        self._names = Names(self.epoch)
        self._asking = Asking(self._waits, self._steps.check, self._start_own, waits_for=self.reason is None)

    def progress(self, done: float, total: Optional[float] = None, text: Optional[str] = None) -> None:
        """Tells watchers how far the body is; only the latest report counts. Never raises and never waits."""
        self._progress.report(done, total, text)

    def token(self, key: str) -> str:
        """64 hexadecimal digits that are the same for this key at every activation and attempt of this run's generation,
        and nowhere else: give it to a service as idempotency key or name."""
        return hashlib.sha256(json_text([self._token_seed, key]).encode("utf-8")).hexdigest()

    def skip(self, reason: str) -> NoReturn:
        """Ends the run ``skipped`` with this reason. It raises: what follows it in the body does not happen."""
        if self.reason is not None:
            raise does_not_skip()
        skip(reason)

    def _scopes(self, options: TaskOptions) -> Tuple[Scope, Scope]:
        of_task = _scope("ctx.task_state", "task", options.task_state, self._names)
        return _scope("ctx.state", "run", options.state, self._names), of_task

    def _start_own(self, spec: Mapping[str, Any], submit: Submit) -> None:
        """Lets the body start a job by itself."""
        start_here(self._waits, self._call, spec, submit)

    def _hand_over(self) -> None:
        """What was said and printed has to be heard before the process is ended, which a suspension does."""
        self.log._flush()
        self._progress.flush()
        for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
            with contextlib.suppress(Exception):
                stream.flush()  # type: ignore[union-attr]

    def _close(self) -> None:
        """Hands over what is still unsent of log and progress, then takes no more."""
        self._steps.closed = True
        self.log._close()
        self._progress.close()


class TaskContext(Context, WaitContext):
    """The context of a body that is a plain function."""

    def __init__(
        self,
        start: Mapping[str, Any],
        call: Call,
        abort_signal: AbortSignal,
        log: Optional[TaskLog] = None,
        options: Optional[TaskOptions] = None,
    ) -> None:
        super().__init__(start, call, abort_signal, log, ThreadTurns())
        self.open = OpenWaits(self._asking)
        place = ThreadPlace(self._waits, call, self._steps, self.log.warning)
        own, of_task = self._scopes(options or TaskOptions())
        self.state = State(own, place)
        """Values of this run: all its attempts see them, and a retry goes on with them."""
        self.task_state = State(of_task, place)
        """Values of the task: all its runs see them."""
        self._place = place

    def asset(self, name: str) -> Asset:
        """An asset by its id or its URI, which the task has declared: in ``reads`` what it reads, in ``writes`` what it writes and may
        read. What it has not declared is refused with ``denied`` when it is used."""
        return Asset(AssetScope(name, self._names), self._place)

    def step(self, key: str, fn: Callable[[], T]) -> T:
        """Runs ``fn`` and records what it returns under ``key``.

        Once recorded, ``fn`` is not run again in this run's generation and the record answers. A crash before the record
        commits runs ``fn`` again. Answers what JSON keeps of the value. Raises what ``fn`` raised (nothing is recorded
        then), TypeError when JSON cannot keep the value, and RuntimeError when the same key is under way already.
        """
        with self._steps.use(key) as use:
            if use.recorded:
                return cast(T, step_value(key, use.value))
            with self._waits.under_way():
                began = time.monotonic()
                with inside_step(key):
                    returned = fn()
                if inspect.isawaitable(returned):
                    _close_awaitable(returned)
                    raise TypeError(f'The function of step "{key}" is async: make the body async, and await ctx.step.')
                return cast(T, use.keep(self._steps.commit(key, returned, began).result()))

    def recorded(self, key: str) -> Any:
        """What is recorded of this run under this key: the result of a step, the payload of a signal, the output of what was
        called, the result of a job. None: nothing, or it did not come to a good end."""
        value = self._steps.known(key)
        elsewhere = large_output(value)
        return kept_value(value) if elsewhere is None else self._call("output.get", elsewhere).result()["output"]

    def start(
        self, key: str, definition: str, input: Any = NO_INPUT, *, run_key: Optional[str] = None
    ) -> StartedRun:
        """Starts a run of its own, once under this key, and answers its id: nobody waits for its end, and it is no part of
        this run. ``run_key``: the run's own key, which is unique."""
        self._asking.check_key(key)
        with self._steps.use(key) as use:
            if not use.recorded:
                with self._waits.under_way():
                    asked = _enqueued(key, definition, input, run_key)
                    use.record(self._call("run.enqueue", asked).result()["runId"])
            return StartedRun(str(use.value))


class AsyncTaskContext(Context, AsyncWaitContext):
    """The context of a body that is ``async def``."""

    def __init__(
        self,
        start: Mapping[str, Any],
        call: Call,
        abort_signal: AbortSignal,
        log: Optional[TaskLog] = None,
        options: Optional[TaskOptions] = None,
    ) -> None:
        self._loop_turns = LoopTurns()
        self._starting: Set[asyncio.Future[None]] = set()
        super().__init__(start, call, abort_signal, log, self._loop_turns)
        place = LoopPlace(self._waits, call, self._steps, self.log.warning)
        own, of_task = self._scopes(options or TaskOptions())
        self.state = AsyncState(own, place)
        """Values of this run: all its attempts see them, and a retry goes on with them."""
        self.task_state = AsyncState(of_task, place)
        """Values of the task: all its runs see them."""
        self._place = place

    def asset(self, name: str) -> AsyncAsset:
        """As TaskContext.asset; what it has is awaited."""
        return AsyncAsset(AssetScope(name, self._names), self._place)

    async def step(self, key: str, fn: Callable[[], Union[T, Awaitable[T]]]) -> T:
        """As TaskContext.step; ``fn`` may be asynchronous."""
        with self._steps.use(key) as use:
            if use.recorded:
                return cast(T, step_value(key, use.value))
            async with self._waits.under_way_in_loop():
                began = time.monotonic()
                with inside_step(key):
                    returned = fn()
                    if inspect.isawaitable(returned):
                        returned = await returned
                return cast(T, use.keep(await asyncio.wrap_future(self._steps.commit(key, returned, began))))

    async def recorded(self, key: str) -> Any:
        """As TaskContext.recorded."""
        value = self._steps.known(key)
        elsewhere = large_output(value)
        if elsewhere is None:
            return kept_value(value)
        return (await asyncio.wrap_future(self._call("output.get", elsewhere)))["output"]

    def _start_own(self, spec: Mapping[str, Any], submit: Submit) -> None:
        entered = self._waits.enter()

        async def enter() -> None:
            if entered is not None:
                await asyncio.wrap_future(entered)

        starting = asyncio.ensure_future(start_async(self._waits, self._call, spec, submit, enter))
        self._starting.add(starting)
        starting.add_done_callback(self._starting.discard)

    async def start(
        self, key: str, definition: str, input: Any = NO_INPUT, *, run_key: Optional[str] = None
    ) -> StartedRun:
        """As TaskContext.start."""
        self._asking.check_key(key)
        with self._steps.use(key) as use:
            if not use.recorded:
                async with self._waits.under_way_in_loop():
                    asked = _enqueued(key, definition, input, run_key)
                    use.record((await asyncio.wrap_future(self._call("run.enqueue", asked)))["runId"])
            return StartedRun(str(use.value))


def _scope(what: str, kind: str, schema: StateSchema, names: Names) -> Scope:
    return Scope(StateChanges(what, {"kind": kind}, schema), {"kind": kind}, names)


def _enqueued(key: str, definition: str, given: Any, run_key: Optional[str]) -> Dict[str, Any]:
    more = {} if run_key is None else {"runKey": run_key}
    return {"key": key, "definition": definition_id(definition), "input": input_of(given, key), **more}


def _close_awaitable(awaitable: Any) -> None:
    close = getattr(awaitable, "close", None)
    if callable(close):
        close()
