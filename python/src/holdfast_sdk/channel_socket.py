"""A child's end of the channel: newline-delimited JSON-RPC on an inherited descriptor (sdk/src/channel-socket.ts)."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import threading
from concurrent.futures import Future, InvalidStateError
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence

from .errors import AppError
from .framing import FrameDecoder, encode_frame

CHANNEL_VERSION = 1
_READ_BYTES = 256 * 1024
_OWN_DESCRIPTORS = 100
_COMMANDS = {
    "welcome": ("version", "projectRoot"),
    "activation.start": ("nonce", "run", "attempt", "epoch", "executor", "source", "input", "steps", "tokenSeed"),
    "activation.abort": ("nonce", "reason"),
    "goodbye": (),
}

Call = Callable[[str, Any], "Future[Any]"]


class Command:
    """What the supervisor tells the child."""

    def __init__(self, method: str, params: Mapping[str, Any]) -> None:
        self.method = method
        self.params = params


class ChannelSocket:
    """``on_command`` and ``on_closed`` are called in the thread that reads.

    Nobody who speaks waits for the supervisor to read: what has no room leaves later, by a thread of its own. Else a caller that
    waits for room, with locks that whoever takes answers needs, and a supervisor that waits for its answers to be read would wait
    for each other.

    ``on_closed`` is told when the supervisor has gone or says what cannot be understood; its second argument is True when
    the descriptor itself failed.
    """

    def __init__(
        self, fd: int, on_command: Callable[[Command], None], on_closed: Callable[[str, bool], None]
    ) -> None:
        # A body that closes or replaces low descriptors does not reach this one, and what it starts does not inherit it.
        self._fd = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _OWN_DESCRIPTORS)
        os.close(fd)
        self._socket = socket.socket(fileno=self._fd)
        self._on_command = on_command
        self._on_closed = on_closed
        self._decoder = FrameDecoder()
        self._callers: Dict[int, Future[Any]] = {}
        self._lock = threading.RLock()
        self._unsent: List[memoryview] = []
        self._is_sending = False
        self._has_unsent = threading.Condition(self._lock)
        self._next_id = 1
        self._owner = os.getpid()
        self._closed: Optional[str] = None
        self._held: Optional[List[bytes]] = None

    def listen(self) -> None:
        """Starts to read, and to send what had no room, in threads of their own."""
        threading.Thread(target=self._read, name="holdfast-channel", daemon=True).start()
        threading.Thread(target=self._send_rest, name="holdfast-channel-rest", daemon=True).start()

    def hello(self, sdk: str) -> None:
        """The first thing a child says."""
        versions = [CHANNEL_VERSION, CHANNEL_VERSION]
        params = {"versions": versions, "sdk": sdk, "kind": "task", "pid": os.getpid()}
        self._send({"jsonrpc": "2.0", "method": "hello", "params": params})

    def returned(self, nonce: str, clean: bool, loaded: Sequence[Mapping[str, str]] = ()) -> None:
        """Says that the body has returned; ``clean``: this process may take another activation, while the code that it has
        ``loaded`` is what is on disk."""
        params: Dict[str, Any] = {"nonce": nonce, "clean": clean}
        if loaded:
            params["loaded"] = list(loaded)
        self._send({"jsonrpc": "2.0", "method": "activation.returned", "params": params})

    def calls(self, nonce: str) -> Call:
        """The calls of the activation that ``nonce`` names. A message over the limit is refused here with ``too_large``."""

        def call(method: str, params: Any) -> "Future[Any]":
            if os.getpid() != self._owner:
                raise RuntimeError("Holdfast can be spoken to in the body's own process only, not in one that it forked.")
            answered: Future[Any] = Future()
            with self._lock:
                frame_id = self._next_id
                self._next_id += 1
                frame = {"jsonrpc": "2.0", "id": frame_id, "method": method, "params": params, "nonce": nonce}
                data = encode_frame(frame)
                self._callers[frame_id] = answered
                self._write(data)
            return answered

        return call

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """What is said within leaves in one write, so that it arrives together."""
        with self._lock:
            held: List[bytes] = []
            self._held = held
            try:
                yield
            finally:
                self._held = None
                self._write(b"".join(held))

    def _send(self, frame: Any) -> None:
        with self._lock:
            self._write(encode_frame(frame))

    def _write(self, data: bytes) -> None:
        if self._held is not None:
            self._held.append(data)
            return
        left = memoryview(data)
        if not self._unsent and not self._is_sending:
            try:
                while left:
                    left = left[self._socket.send(left, socket.MSG_DONTWAIT) :]
            except BlockingIOError:
                pass  # no room now
            except OSError as error:
                return self._close(str(error), True)
        if left:
            self._unsent.append(left)
            self._has_unsent.notify()

    def _send_rest(self) -> None:
        while True:
            with self._lock:
                self._is_sending = False
                while not self._unsent:
                    self._has_unsent.wait()
                rest, self._unsent = self._unsent, []
                self._is_sending = True
            try:
                for left in rest:
                    while left:
                        left = left[os.write(self._fd, left) :]
            except OSError as error:
                return self._close(str(error), True)

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._fd, _READ_BYTES)
            except OSError as error:
                return self._close(str(error), True)
            if not data:
                return self._close("the supervisor closed it", False)
            try:
                for frame in self._decoder.push(data):
                    self._take(frame)
            except Exception as error:
                return self._close(str(error), False)

    def _take(self, frame: Any) -> None:
        if not isinstance(frame, dict) or frame.get("jsonrpc") != "2.0":
            raise AppError("invalid_request", "The supervisor sent what is no frame of the channel.")
        if "method" in frame:
            self._on_command(_command(frame))
            return
        frame_id = frame.get("id")
        with self._lock:
            caller = self._callers.pop(frame_id, None) if isinstance(frame_id, int) else None
        if caller is None:
            return
        with contextlib.suppress(InvalidStateError):  # whoever waited for it was cancelled
            if "error" in frame:
                caller.set_exception(_app_error(frame["error"]))
            else:
                caller.set_result(frame.get("result"))

    def _close(self, reason: str, own_fault: bool) -> None:
        with self._lock:
            if self._closed is not None:
                return
            self._closed = reason
            callers: List[Future[Any]] = list(self._callers.values())
            self._callers.clear()
        self._on_closed(reason, own_fault)
        for caller in callers:
            with contextlib.suppress(InvalidStateError):
                caller.set_exception(AppError("store_unavailable", f"The channel is closed: {reason}"))


def _command(frame: Mapping[str, Any]) -> Command:
    method, params = frame["method"], frame.get("params")
    needed = _COMMANDS.get(method)
    if needed is None or not isinstance(params, dict) or any(name not in params for name in needed):
        raise AppError("invalid_request", f"The supervisor sent a command that is not known: {method}")
    return Command(method, params)


def _app_error(error: Any) -> AppError:
    data = error.get("data", {}) if isinstance(error, dict) else {}
    message = error.get("message") if isinstance(error, dict) else None
    return AppError(
        str(data.get("code", "internal")), str(message), hint=data.get("hint"), details=data.get("details")
    )
