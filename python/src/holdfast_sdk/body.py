"""Runs one body: input bound, body called, result checked, outcome said (sdk/src/body.ts)."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import time
from concurrent.futures import Future, wait
from typing import Any, Callable, Dict, List, Mapping, Optional

from . import limits
from .abort import AbortSignal
from .calling import Signature
from .channel_socket import Call
from .context import AsyncTaskContext, Context, TaskContext
from .errors import AppError, is_app_error
from .framing import json_text
from .outcome import Outcome, failure, invalid_result
from .pauses import FIRST_PAUSE_S, longer
from .reports import TaskLog
from .returned_jobs import without_jobs
from .steering import Skip
from .text import utf8_bytes

_STEP_LOOK_S = 0.005
_UNSTORABLE = ("invalid_request", "invalid_output", "unsupported", "too_large", "limit_exceeded")
_SAID_BY_ITSELF = ("invalid_output", "unsupported")


def new_context(
    task: Signature, start: Mapping[str, Any], call: Call, abort_signal: AbortSignal, log: TaskLog
) -> Context:
    return (AsyncTaskContext if task.is_async else TaskContext)(start, call, abort_signal, log, task.options)


def run_body(task: Signature, given: Any, context: Context, project_root: str) -> Outcome:
    """Runs the body to its end and answers what is to be said of it. Never raises; does not return when its run waits: then the
    process is ended from outside.

    Steps and calls that the body left under way are waited for, and its log and progress have been sent.
    """
    try:
        positional, named = task.bind(given, context)
        returned = _ended(task, positional, named, context)
        # What a clean-up returns says nothing about its run.
        return _success(returned) if context.reason is None else Outcome("run.succeed", {"output": None})
    except BaseException as error:  # also SystemExit and KeyboardInterrupt: success is what a body returns
        return failure(error, project_root)
    finally:
        context._waits.close().result()
        context._close()


def _ended(task: Signature, positional: List[Any], named: Dict[str, Any], context: Context) -> Any:
    try:
        returned = task.body(*positional, **named)
        if inspect.isawaitable(returned):
            return asyncio.run(_awaited(returned, context))
        context._steps.wait_until_done()
    except Skip:
        _wait_for_calls(context)
        raise
    _wait_for_calls(context)
    return returned


def _wait_for_calls(context: Context) -> None:
    for future in context._waits.calls_done():
        wait([future])


async def _awaited(returned: Any, context: Context) -> Any:
    if isinstance(context, AsyncTaskContext):
        context._loop_turns.enter()
    try:
        result = await returned
        # Tasks that the body did not await may be in a step; they are cancelled with the loop.
        while not context._steps.is_done:
            await asyncio.sleep(_STEP_LOOK_S)
        await _await_calls(context)
        return result
    except Skip:
        await _await_calls(context)
        raise
    finally:
        # Not before it is sure that the run does not wait: then no task of the loop is to hear that it is cancelled.
        await asyncio.wrap_future(context._waits.close())


async def _await_calls(context: Context) -> None:
    for future in context._waits.calls_done():
        with contextlib.suppress(Exception):
            await asyncio.wrap_future(future)


def _success(returned: Any) -> Outcome:
    try:
        said = without_jobs(returned)
    except Exception as error:
        return invalid_result(str(error), error.hint if isinstance(error, AppError) else None)
    size = utf8_bytes(json_text(said["output"]))
    if size > limits.OUTPUT_BYTES:
        hint = "Keep large values in a file or an object store and return their name."
        return invalid_result(f"It has {size} bytes; the limit is {limits.OUTPUT_BYTES}.", hint)
    return Outcome("run.succeed", said)


class Settling:
    """Says an outcome until it is acknowledged: while the store is away it is said again (it is taken once).

    An outcome that cannot be stored becomes a failure that says so.
    """

    def __init__(self, call: Call, outcome: Outcome, pause: Callable[[float], None] = time.sleep) -> None:
        self._call = call
        self._outcome = outcome
        self._pause = pause
        self._answer: Optional[Future[Any]] = None

    def begin(self) -> None:
        """Says it for the first time, without waiting for the answer."""
        self._answer = self._call(self._outcome.method, self._outcome.params)

    def finish(self) -> None:
        """Waits for the acknowledgement. Raises the AppError of a refusal that has no remedy."""
        said = self._outcome
        pause = FIRST_PAUSE_S
        answer = self._answer
        while answer is not None:
            try:
                answer.result()
                return
            except AppError as error:
                if is_app_error(error, "store_unavailable"):
                    self._pause(pause)
                    pause = longer(pause)
                elif said is self._outcome and is_app_error(error, *_UNSTORABLE):
                    said = _unstorable(said, error)
                else:
                    raise
            answer = self._call(said.method, said.params)


def _unstorable(outcome: Outcome, error: AppError) -> Outcome:
    what = "result" if outcome.method == "run.succeed" else "error"
    is_said = is_app_error(error, *_SAID_BY_ITSELF)
    message = str(error) if is_said else f"The {what} of the body could not be stored: {error}"
    described = {"code": "result_invalid", "message": message}
    if error.hint is not None:
        described["hint"] = error.hint
    return Outcome("run.fail", {"error": described})
