"""The child's only entry: ``python -m holdfast_sdk.child`` (sdk/src/child.ts).

It says hello, waits to be told what to run, runs it and says how it went, one activation at a time. No user code is loaded
before it is told. The body runs in the main thread; the channel is read in another.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import sys
import traceback
from typing import Any, List, Mapping, Optional, Tuple

from .abort import AbortSignal
from .body import Settling, new_context, run_body
from .calling import Signature
from .channel_socket import ChannelSocket, Command
from .contract import enter_run
from .errors import AppError, is_app_error
from .leftovers import Before, leftovers
from .load_task import load_task
from .loaded_code import LoadedCode
from .outcome import failure
from .reports import LogHandler, TaskLog
from .version import VERSION


class Child:
    def __init__(self, fd: int) -> None:
        self._project_root = os.getcwd()
        self._commands: "queue.SimpleQueue[Command]" = queue.SimpleQueue()
        self._current: Optional[Tuple[str, AbortSignal]] = None
        self._code = LoadedCode()
        self._loaded: Optional[Tuple[str, Signature]] = None
        self._channel = ChannelSocket(fd, self._obey, _leave)
        self._logging = LogHandler()
        self._streams: List[Any] = [sys.stdout, sys.stderr]

    def run(self) -> None:
        self._logging.install()
        self._code.watch()
        self._channel.hello(f"python/{VERSION}")
        self._channel.listen()
        while True:
            command = self._commands.get()
            if command.method == "welcome":
                self._project_root = command.params["projectRoot"]
                os.chdir(self._project_root)
            else:
                self._carry_out(command.params)

    def _obey(self, command: Command) -> None:
        """In the thread that reads."""
        if command.method == "goodbye":
            os._exit(0)
        if command.method == "activation.abort":
            current = self._current
            if current is not None and current[0] == command.params["nonce"]:
                current[1]._fire(command.params["reason"])
            return
        if command.method == "activation.start":
            self._current = (command.params["nonce"], AbortSignal())
        self._commands.put(command)

    def _carry_out(self, start: Mapping[str, Any]) -> None:
        assert self._current is not None
        nonce, abort_signal = self._current
        call = self._channel.calls(nonce)
        log = TaskLog(call)
        self._logging.log = log
        before: Optional[Before] = None
        try:
            enter_run(start, self._project_root)
            task = self._load(start)
            context = new_context(task, start, call, abort_signal, log)
            before = Before()
            outcome = run_body(task, start["input"], context, self._project_root)
        except BaseException as error:
            outcome = failure(error, self._project_root)
            log._close()
        self._flush()
        settling = Settling(call, outcome)
        loaded, complete = self._code.take()
        clean = before is not None and complete and not leftovers(before)
        # In one write: whoever hears the end is to know at once whether this process may take another activation.
        with self._channel.together():
            settling.begin()
            self._channel.returned(nonce, clean, loaded)
        try:
            settling.finish()
        except AppError as error:
            # Refused: the supervisor ends this process. Else nobody would ever hear of the activation again.
            if not is_app_error(error, "stale_epoch", "run_ended", "store_unavailable"):
                os.write(2, f"The end of the body could not be said: {error}\n".encode())
                os._exit(1)

    def _load(self, start: Mapping[str, Any]) -> Signature:
        key = json.dumps([start["source"], start["run"]["definition"]], sort_keys=True)
        if self._loaded is None or self._loaded[0] != key:
            self._loaded = (key, load_task(start, self._project_root, self._code))
        return self._loaded[1]

    def _flush(self) -> None:
        """What a body printed has to be in the pipe before its end is said, so that it is heard before that."""
        for stream in [sys.stdout, sys.stderr, *self._streams]:
            with contextlib.suppress(Exception):
                stream.flush()


def _leave(reason: str, own_fault: bool) -> None:
    """The supervisor has gone: nobody will hear this process, so it ends with everything that it started."""
    if own_fault:
        # It is there still, and ends the rest.
        os.write(2, f"The body closed the channel's descriptor, which is not its own: {reason}\n".encode())
        os._exit(1)
    try:
        if os.getpgrp() == os.getpid():
            os.killpg(os.getpid(), signal.SIGKILL)
    finally:
        os._exit(1)


def main() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]
    try:
        fd = int(os.environ.pop("HOLDFAST_CHANNEL_FD"))
    except (KeyError, ValueError):
        print("This is a child of a Holdfast node: it is started by one, with HOLDFAST_CHANNEL_FD.", file=sys.stderr)
        sys.exit(2)
    try:
        Child(fd).run()
    except BaseException:
        traceback.print_exc()
        os._exit(126)


if __name__ == "__main__":
    main()
