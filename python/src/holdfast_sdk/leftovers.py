"""What a body leaves behind in its process; a process with leftovers must not take another activation."""

from __future__ import annotations

import builtins
import gc
import os
import resource
import signal
import sys
import threading
from typing import Any, Callable, Dict, List, Mapping, Set

_FD_FOLDERS = ("/proc/self/fd", "/dev/fd")
_SIGNALS = [each for each in signal.Signals if each not in (signal.SIGKILL, signal.SIGSTOP)]


class Before:
    """The state of the process before a body runs."""

    def __init__(self) -> None:
        self.threads: Set[int] = {id(each) for each in threading.enumerate()}
        self.descriptors = _descriptors()
        self.folder = os.getcwd()
        self.states = {word: read() for word, read in _STATES.items()}


def leftovers(before: Before) -> List[str]:
    """What is there now and was not before, one word each; empty when the process is as it was."""
    found: List[str] = []
    if any(id(each) not in before.threads for each in threading.enumerate()):
        found.append("thread")
    if _has_child_processes():
        found.append("child process")
    if _more_descriptors(before) and (gc.collect() or True) and _more_descriptors(before):
        found.append("open descriptor")
    if _folder() != before.folder:
        found.append("working folder")
    return found + [word for word, read in _STATES.items() if read() != before.states[word]]


def _folder() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        return ""


def _has_child_processes() -> bool:
    """Those that have ended and nobody asked about, too."""
    try:
        if hasattr(os, "waitid"):
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        else:  # macOS before Python 3.13: one that has ended is reaped, which ends this process too
            os.waitpid(-1, os.WNOHANG)
        return True
    except ChildProcessError:
        return False


def _more_descriptors(before: Before) -> bool:
    return any(before.descriptors.get(number) != target for number, target in _descriptors().items())


def _descriptors() -> Dict[str, str]:
    for folder in _FD_FOLDERS:
        try:
            numbers = os.listdir(folder)
        except OSError:
            continue
        return {number: target for number in numbers if (target := _target(folder, number)) is not None}
    return {}


def _target(folder: str, number: str) -> Any:
    """What it leads to; None when it is gone, as the one is by which the folder was read."""
    try:
        return os.readlink(os.path.join(folder, number))
    except FileNotFoundError:
        return None
    except OSError:
        return ""


def _handlers() -> List[Any]:
    return [signal.getsignal(each) for each in _SIGNALS]


def _timers() -> List[bool]:
    """Which would go off, in whatever runs then."""
    return [signal.getitimer(each)[0] > 0 for each in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)]


def _limits() -> List[Any]:
    return [resource.getrlimit(each) for each in _LIMITS]


def _umask() -> int:
    """It is read only by setting it."""
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


_LIMITS = sorted(number for name, number in vars(resource).items() if name.startswith("RLIMIT_"))
_STATES: Mapping[str, Callable[[], Any]] = {
    "environment": lambda: dict(os.environ),
    "signal handler": _handlers,
    "timer": _timers,
    "process limit": _limits,
    "umask": _umask,
    "priority": lambda: os.getpriority(os.PRIO_PROCESS, 0),
    "standard stream": lambda: [id(sys.stdout), id(sys.stderr)],
    "builtin": lambda: {name: id(value) for name, value in vars(builtins).items()},
    "sys.path": lambda: list(sys.path),
}
