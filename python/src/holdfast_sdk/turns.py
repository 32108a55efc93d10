"""When a turn of a body has passed: what is asked for in one turn travels together, and at its end the body may be suspended.

A turn ends when the body has nothing to do but wait. Of a loop that is said after some rounds in which nothing was asked for. Of
threads: when each of them waits for something of the context, or has stood in the same place for some looks. A turn that is said
to end too early costs a start of the body; it makes nothing wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from typing import Dict, List, Optional, Protocol, Set, Tuple

_QUIET_ROUNDS = 30
_MOST_ROUNDS = 1_000
_LOOK_S = 0.002
_STILL_LOOKS = 3
_LONGEST_S = 1.0
_LONGEST_BESIDE_S = 0.02


class Activity(Protocol):
    """What turns see of the waits."""

    @property
    def asked(self) -> int:
        """Rises with all that the body asks for."""
        ...

    @property
    def may_suspend(self) -> bool:
        """Something is waited for, and nothing else is under way."""
        ...

    def waiting_threads(self) -> Set[int]:
        """The identifiers of the threads that wait."""
        ...

    def turn(self) -> None:
        """Is called when a turn has passed."""
        ...


class Turns(Protocol):
    def begin(self, activity: Activity) -> None:
        """Has the turn of ``activity`` called once one has passed; from any thread."""
        ...

    def close(self) -> None:
        """Returns when no thread of it is left. No turn that has begun is of use any more."""
        ...


class LoopTurns:
    """Turns of the loop of an asynchronous body."""

    def __init__(self) -> None:
        self._loop: Optional[asyncio.AbstractEventLoop] = None

    def enter(self) -> None:
        """From now on the turns are of the loop that runs here."""
        self._loop = asyncio.get_running_loop()

    def begin(self, activity: Activity) -> None:
        if self._loop is None:
            self.enter()
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # closed: the body has ended
            self._loop.call_soon_threadsafe(self._round, activity, activity.asked, 0, 0)

    def close(self) -> None:
        self._loop = None

    def _round(self, activity: Activity, asked: int, quiet: int, rounds: int) -> None:
        if self._loop is None:
            return
        now = activity.asked
        quiet = quiet + 1 if now == asked else 0
        if quiet >= _QUIET_ROUNDS or rounds >= _MOST_ROUNDS:
            activity.turn()
        else:
            self._loop.call_soon(self._round, activity, now, quiet, rounds + 1)


class ThreadTurns:
    """Turns of a body that is a plain function, and of the threads that it starts."""

    def __init__(self) -> None:
        self._others = [each for each in threading.enumerate() if each is not threading.current_thread()]
        self._own: Set[threading.Thread] = set()
        self._closed = False

    def begin(self, activity: Activity) -> None:
        thread = threading.Thread(target=self._watch, args=(activity,), name="holdfast-turn", daemon=True)
        self._own.add(thread)
        thread.start()

    def close(self) -> None:
        self._closed = True
        for thread in list(self._own):
            if thread is not threading.current_thread():
                thread.join()

    def _watch(self, activity: Activity) -> None:
        try:
            self._until_still(activity)
            if not self._closed:
                activity.turn()
        finally:
            self._own.discard(threading.current_thread())

    def _until_still(self, activity: Activity) -> None:
        began = time.monotonic()
        before: Tuple[int, Dict[int, Tuple[int, int]]] = (-1, {})
        looks = 0
        while not self._closed:
            waiting = activity.waiting_threads()
            now = activity.asked, self._places(waiting)
            if waiting and not now[1]:
                return
            looks = looks + 1 if now == before else 0
            longest = _LONGEST_S if activity.may_suspend else _LONGEST_BESIDE_S
            if looks >= _STILL_LOOKS or time.monotonic() - began >= longest:
                return
            before = now
            time.sleep(_LOOK_S)

    def _places(self, waiting: Set[int]) -> Dict[int, Tuple[int, int]]:
        """Where the threads of the body stand that do not wait."""
        apart: List[threading.Thread] = [*self._others, *self._own]
        body = {each.ident for each in threading.enumerate() if each not in apart} - waiting
        frames = sys._current_frames()
        return {ident: (id(frames[ident]), frames[ident].f_lasti) for ident in body if ident is not None and ident in frames}
