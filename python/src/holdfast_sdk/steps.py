"""The steps of a body: what is recorded under their keys, which are under way, and what their results may be."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any, Callable, Dict, Iterator, Set

from . import limits
from .asking import in_step
from .channel_socket import Call
from .errors import AppError
from .framing import json_text
from .state import as_state_record
from .stored_value import stored_value
from .text import text_defect, utf8_bytes
from .wait_records import as_wait_record


class Steps:
    """The keys of a context's steps: which are recorded, and which are under way."""

    def __init__(self, recorded: Dict[str, Any], call: Call, warn: Callable[[str], None], timed: bool) -> None:
        self._call = call
        self._timed = timed
        self._warn = warn
        self._used: Set[str] = set()
        self._recorded = recorded
        self._open: Set[str] = set()
        self._changed = threading.Condition()
        self.closed = False

    def use(self, key: str) -> "Use":
        self.check(key)
        with self._changed:
            if as_wait_record(self._recorded.get(key)) is not None:
                raise RuntimeError(f'"{key}" is the key of a wait: give the step a key of its own.')
            again = key in self._used
            self._used.add(key)
            if key in self._recorded:
                if again:
                    self._warn(
                        f'Step "{key}" was used before in this body: its record answers, and nothing is done. '
                        "Give each use a key of its own."
                    )
                return Use(self, key, True)
            if key in self._open:
                raise RuntimeError(
                    f'Step "{key}" is under way already: wait for it, or give each use a key of its own.'
                )
            self._open.add(key)
        return Use(self, key, False)

    def value(self, key: str) -> Any:
        return self._recorded[key]

    def known(self, key: str) -> Any:
        return self._recorded.get(key)

    def end(self, key: str) -> None:
        with self._changed:
            self._open.discard(key)
            self._changed.notify_all()

    def record(self, key: str, value: Any) -> None:
        self._recorded[key] = value

    def commit(self, key: str, returned: Any, began: float) -> Any:
        """The future answer to the record of a step's result."""
        value = stored_value(returned, f'The result of step "{key}"')
        size = utf8_bytes(json_text(value))
        if size > limits.STEP_VALUE_BYTES:
            raise AppError(
                "too_large",
                f'The result of step "{key}" has {size} bytes.',
                hint=f"The limit is {limits.STEP_VALUE_BYTES}: keep the value in a file or an object store and return its name.",
            )
        timed = {"tookMs": max(0.0, (time.monotonic() - began) * 1000)} if self._timed else {}
        return self._call("step.commit", {"key": key, "value": value, **timed})

    def wait_until_done(self) -> None:
        """Waits for steps under way in other threads: what the body left unawaited belongs to it."""
        with self._changed:
            self._changed.wait_for(lambda: not self._open)

    @property
    def is_done(self) -> bool:
        return not self._open

    def check(self, key: str) -> None:
        """Raises for a key that cannot be one, and after the body's end."""
        if not isinstance(key, str) or not 0 < len(key) <= limits.KEY_CHARACTERS:
            raise TypeError(f"A step's key is a text of 1 to {limits.KEY_CHARACTERS} characters.")
        defect = text_defect(key)
        if defect is not None:
            # Now, not when the record is refused: by then the step's work would be done.
            raise TypeError(f"A step's key has a {defect}, which cannot be stored.")
        if self.closed:
            raise RuntimeError(f'Step "{key}" was asked for after the body had ended.')


class Use:
    """One use of a step's key."""

    def __init__(self, steps: Steps, key: str, recorded: bool) -> None:
        self._steps = steps
        self._key = key
        self.recorded = recorded

    @property
    def value(self) -> Any:
        return self._steps.value(self._key)

    def keep(self, answer: Any) -> Any:
        self.record(answer["value"])
        return answer["value"]

    def record(self, value: Any) -> None:
        self._steps.record(self._key, value)

    def __enter__(self) -> "Use":
        return self

    def __exit__(self, *_: object) -> None:
        if not self.recorded:
            self._steps.end(self._key)


@contextlib.contextmanager
def inside_step(key: str) -> Iterator[None]:
    """The function of this step runs."""
    before = in_step.set(key)
    try:
        yield
    finally:
        in_step.reset(before)


def step_value(key: str, value: Any) -> Any:
    """What is recorded of a step under this key. Raises where that is of state."""
    if as_state_record(value) is not None:
        raise RuntimeError(f'"{key}" is the key of a write of state: give the step a key of its own.')
    return value
