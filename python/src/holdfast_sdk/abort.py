"""How a body learns that it is no longer wanted."""

from __future__ import annotations

import asyncio
import threading
from typing import Callable, List, Optional

from .steering import Aborted


class AbortSignal:
    """Fires when the run is cancelled, its attempt times out or its node stops.

    What the body returns then is not heard; TERM and then KILL follow to its whole process group.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.RLock()
        self._reason: Optional[str] = None
        self._callbacks: List[Callable[[], object]] = []

    @property
    def aborted(self) -> bool:
        return self._event.is_set()

    @property
    def reason(self) -> Optional[str]:
        """Why, once it has fired."""
        return self._reason

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Waits until it fires, at most ``timeout`` seconds: a ``time.sleep`` that ends early. True when it has fired."""
        return self._event.wait(timeout)

    async def wait_async(self) -> None:
        """As ``wait``, for asynchronous code."""
        loop = asyncio.get_running_loop()
        fired = loop.create_future()

        def set_fired() -> None:
            if not fired.done():
                fired.set_result(None)

        def fire() -> None:
            loop.call_soon_threadsafe(set_fired)

        self.add_callback(fire)
        try:
            await fired
        finally:
            self.remove_callback(fire)

    def raise_if_aborted(self) -> None:
        """Raises Aborted once it has fired."""
        if self.aborted:
            raise Aborted(self._reason or "The activation is no longer wanted.")

    def add_callback(self, callback: Callable[[], object]) -> None:
        """Calls it when the signal fires, in another thread; at once when it has fired already."""
        with self._lock:
            if not self.aborted:
                self._callbacks.append(callback)
                return
        callback()

    def remove_callback(self, callback: Callable[[], object]) -> None:
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

    def _fire(self, reason: str) -> None:
        with self._lock:
            if self.aborted:
                return
            self._reason = reason
            self._event.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            try:
                callback()
            except Exception:  # what is called to clean up must not keep the others from it
                import traceback

                traceback.print_exc()
