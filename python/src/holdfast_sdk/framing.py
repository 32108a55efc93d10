"""Newline-delimited JSON without I/O: bytes in, frames out (protocol/src/framing.ts).

Invalid UTF-8, invalid JSON and frames over the limit are AppErrors; after one the stream is not to be trusted further.
"""

from __future__ import annotations

import json
from typing import Any, List, NoReturn

from . import limits
from .errors import AppError
from .nesting import walk_deep

_HINT = "Keep large values in a file or an object store and pass their name."


def encode_frame(frame: Any, max_bytes: int = limits.FRAME_BYTES) -> bytes:
    """One frame as bytes, its newline included. Raises ``too_large`` over the limit."""
    data = json_text(frame).encode("utf-8") + b"\n"
    if len(data) > max_bytes + 1:
        raise AppError("too_large", f"A message of {len(data)} bytes is over the limit of {max_bytes}.", hint=_HINT)
    return data


def json_text(value: Any) -> str:
    """The value as JavaScript's JSON.stringify writes it."""
    return walk_deep(lambda: json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")))


class FrameDecoder:
    """Collects bytes until frames are whole. Give it chunks as they come; it answers the frames they complete, in order."""

    def __init__(self, max_bytes: int = limits.FRAME_BYTES) -> None:
        self._max_bytes = max_bytes
        self._parts: List[bytes] = []
        self._bytes = 0

    @property
    def partial(self) -> bool:
        """True when a part of a frame is waiting for its rest."""
        return self._bytes > 0

    def push(self, chunk: bytes) -> List[Any]:
        frames: List[Any] = []
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            self._take(part)
            line = b"".join(self._parts)
            self._parts = []
            self._bytes = 0
            if line:
                frames.append(_parse(line))
        self._take(rest)
        return frames

    def _take(self, part: bytes) -> None:
        if not part:
            return
        self._bytes += len(part)
        if self._bytes > self._max_bytes:
            raise AppError("too_large", f"A message is over the limit of {self._max_bytes} bytes.", hint=_HINT)
        self._parts.append(part)


def _parse(line: bytes) -> Any:
    try:
        text = line.decode("utf-8")
        return walk_deep(lambda: json.loads(text, parse_constant=_refuse_constant))
    except ValueError as cause:
        raise AppError("invalid_request", "A message is not JSON in UTF-8.") from cause


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
