"""Jobs that a body starts by itself (sdk/src/own-submission.ts): the submission is recorded first, with the token that the service is
called with. When the process dies before the job's name is recorded, the next start of the body gets the same token."""

from __future__ import annotations

import asyncio
import inspect
import time
from typing import Any, Awaitable, Callable, Dict, Generator, Mapping, Tuple

from .channel_socket import Call
from .errors import AppError, is_app_error
from .external_job import ExternalJob, Submit
from .pauses import FIRST_PAUSE_S, longer
from .stored_value import stored_value
from .waits import Waits


Steps = Generator[Tuple[str, Any], Any, Any]


def start_here(waits: Waits, call: Call, spec: Mapping[str, Any], submit: Submit) -> None:
    """In the thread that calls, until the job's name is recorded."""
    called: Dict[str, Any] = {}
    with waits.under_way():
        try:
            steps = _steps(spec, called)
            what, params = next(steps)
            while True:
                answer = _submitted(submit, params) if what == "submit" else _repeated(call, what, params)
                what, params = steps.send(answer)
        except StopIteration as end:
            waits.started(spec["key"], end.value)
        except Exception as error:
            waits.left(spec["key"], error, called)
    waits.stayed().result()


async def start_async(
    waits: Waits, call: Call, spec: Mapping[str, Any], submit: Submit, entered: Callable[[], Awaitable[None]]
) -> None:
    """As ``start_here``, in the loop; ``submit`` may be asynchronous. ``entered``: awaited before anything is done."""
    called: Dict[str, Any] = {}
    try:
        await entered()
        steps = _steps(spec, called)
        what, params = next(steps)
        while True:
            if what != "submit":
                answer = await _repeated_async(call, what, params)
            else:
                answer = submit(params)
                answer = await answer if inspect.isawaitable(answer) else answer
            what, params = steps.send(answer)
    except StopIteration as end:
        waits.started(spec["key"], end.value)
    except Exception as error:
        waits.left(spec["key"], error, called)
    finally:
        waits.leave()


def _steps(spec: Mapping[str, Any], called: Dict[str, Any]) -> Steps:
    """What is to be done: a call of the channel, or ``submit`` with the token. Returns the record, where it has ended already.
    ``called`` is told the token before the service is called, and what that calls the job."""
    key = spec["key"]
    asked = {name: value for name, value in spec.items() if name not in ("kind", "own")}
    told = yield "external.submit", asked
    if told.get("record") is not None or told["ref"] is not None or told["token"] is None:
        return told.get("record")
    called["token"] = told["token"]
    job = yield "submit", told["token"]
    if not isinstance(job, ExternalJob) or "ref" not in job._asked:
        raise TypeError(f"What starts a job of {spec['service']} answers what names it.")
    called["ref"] = stored_value(job._asked["ref"], f'What started "{key}"')
    yield "external.adopt", {"key": key, "ref": called["ref"]}
    return None


def _submitted(submit: Submit, token: str) -> Any:
    job = submit(token)
    if inspect.isawaitable(job):
        raise TypeError("What starts the job is asynchronous: make the body async.")
    return job


def _repeated(call: Call, method: str, params: Any) -> Any:
    """While the store is away it is said again."""
    pause = FIRST_PAUSE_S
    while True:
        try:
            return call(method, params).result()
        except AppError as error:
            if not is_app_error(error, "store_unavailable"):
                raise
        time.sleep(pause)
        pause = longer(pause)


async def _repeated_async(call: Call, method: str, params: Any) -> Any:
    pause = FIRST_PAUSE_S
    while True:
        try:
            return await asyncio.wrap_future(call(method, params))
        except AppError as error:
            if not is_app_error(error, "store_unavailable"):
                raise
        await asyncio.sleep(pause)
        pause = longer(pause)
