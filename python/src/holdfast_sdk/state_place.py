"""How state is read and written by the two kinds of contexts: in the thread that calls, or in the loop."""

from __future__ import annotations

import asyncio
import inspect
import time
from typing import Any, Callable, Mapping

from .channel_socket import Call
from .state import Acts, Write
from .steps import Steps
from .waits import Waits


class ThreadPlace:
    """Of a body that is a plain function."""

    def __init__(self, waits: Waits, call: Call, steps: Steps, warn: Callable[[str], None]) -> None:
        self._waits = waits
        self._call = call
        self._steps = steps
        self._warn = warn

    def read_state(self, acts: Acts) -> Any:
        _check_open(self._steps)
        with self._waits.under_way():
            return self._carried_out(acts)

    def write_state(self, write: Write) -> Mapping[str, Any]:
        with self._steps.use(write.key) as use:
            if use.recorded:
                return write.known(use.value, self._warn)
            with self._waits.under_way():
                record: Mapping[str, Any] = self._carried_out(write.acts())
            use.record(record)
            return record

    def _carried_out(self, acts: Acts) -> Any:
        go_on = lambda: next(acts)  # noqa: E731
        while True:
            try:
                what, asked = go_on()
            except StopIteration as end:
                return end.value
            try:
                answer = self._act(what, asked)
                go_on = lambda answer=answer: acts.send(answer)  # type: ignore[misc]  # noqa: E731
            except Exception as error:
                go_on = lambda error=error: acts.throw(error)  # type: ignore[misc]  # noqa: E731

    def _act(self, what: str, asked: Any) -> Any:
        if what == "call":
            return self._call(*asked).result()
        if what == "pause":
            return time.sleep(asked)
        fn, value = asked
        made = fn(value)
        if inspect.isawaitable(made):
            close = getattr(made, "close", None)
            if callable(close):
                close()
            raise TypeError("What updates a value is asynchronous: make the body async.")
        return made


class LoopPlace:
    """Of a body that is ``async def``."""

    def __init__(self, waits: Waits, call: Call, steps: Steps, warn: Callable[[str], None]) -> None:
        self._waits = waits
        self._call = call
        self._steps = steps
        self._warn = warn

    async def read_state(self, acts: Acts) -> Any:
        _check_open(self._steps)
        async with self._waits.under_way_in_loop():
            return await self._carried_out(acts)

    async def write_state(self, write: Write) -> Mapping[str, Any]:
        with self._steps.use(write.key) as use:
            if use.recorded:
                return write.known(use.value, self._warn)
            async with self._waits.under_way_in_loop():
                record: Mapping[str, Any] = await self._carried_out(write.acts())
            use.record(record)
            return record

    async def _carried_out(self, acts: Acts) -> Any:
        go_on = lambda: next(acts)  # noqa: E731
        while True:
            try:
                what, asked = go_on()
            except StopIteration as end:
                return end.value
            try:
                answer = await self._act(what, asked)
                go_on = lambda answer=answer: acts.send(answer)  # type: ignore[misc]  # noqa: E731
            except Exception as error:
                go_on = lambda error=error: acts.throw(error)  # type: ignore[misc]  # noqa: E731

    async def _act(self, what: str, asked: Any) -> Any:
        if what == "call":
            return await asyncio.wrap_future(self._call(*asked))
        if what == "pause":
            return await asyncio.sleep(asked)
        fn, value = asked
        made = fn(value)
        return await made if inspect.isawaitable(made) else made


def _check_open(steps: Steps) -> None:
    if steps.closed:
        raise RuntimeError("State was asked for after the body had ended.")
