"""Which files of the project this process has loaded, and how they were when it read them.

A warm process takes another activation only while all of them are what is on disk. Packages that are installed, the standard
library and this package do not count: to change those is to make another environment.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any, Dict, List, Optional, Sequence, Tuple

from . import limits

_OWN_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep
_STANDARD_FOLDER = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


class LoadedCode:
    """Notes each file before it is read, so that one that changes meanwhile is found changed."""

    def __init__(self) -> None:
        self._stamps: Dict[str, str] = {}
        self._untold: List[str] = []

    def watch(self) -> None:
        """From now on every import is noted, in whatever way its file is found by the path."""
        finders: List[Any] = sys.meta_path
        place = finders.index(PathFinder) if PathFinder in finders else len(finders)
        finders.insert(place, self)

    def find_spec(self, name: str, path: Optional[Sequence[str]] = None, target: Any = None) -> Optional[ModuleSpec]:
        """As a finder of Python's: answers what the path's own finder does."""
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.has_location and spec.origin is not None:
            self.note(spec.origin)
        return spec

    def note(self, file: str) -> None:
        file = os.path.abspath(file)
        if file.startswith((_OWN_FOLDER, _STANDARD_FOLDER)) or any(part in file for part in _INSTALLED):
            return
        if file not in self._stamps:
            self._untold.append(file)
            self._stamps[file] = file_stamp(file)

    def take(self) -> Tuple[List[Dict[str, str]], bool]:
        """The files noted since the last call, and whether that is all: not when there are more than can be told."""
        told, self._untold = self._untold[: limits.CODE_FILES], []
        files = [{"path": file, "stamp": self._stamps[file]} for file in told]
        return files, len(self._stamps) <= limits.CODE_FILES


def file_stamp(file: str) -> str:
    """What tells a file from the same file changed or replaced, as protocol/src/code-file.ts writes it."""
    try:
        found = os.stat(file)
    except OSError:
        return ""
    seconds, nanoseconds = divmod(found.st_mtime_ns, 1_000_000_000)
    ms = float(seconds * 1_000) + nanoseconds / 1e6
    return f"{found.st_ino}:{found.st_size}:{int(ms) if ms.is_integer() else repr(ms)}"
