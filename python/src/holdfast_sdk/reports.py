"""Log and progress: the two things a body says without waiting for an answer (sdk/src/reports.ts).

While a call is unanswered, lines collect and go out as one call; up to a bound, and are then dropped and counted.
"""

from __future__ import annotations

import logging
import math
import threading
from typing import Any, Dict, List, Optional, Tuple

from . import limits
from .channel_socket import Call
from .framing import json_text
from .stored_value import stored_value
from .text import cut_text, storable_text, utf8_bytes

_BATCH_LINES = 500
_BATCH_BYTES = 1024 * 1024
_WAITING_LINES = 10_000
_WAITING_BYTES = 4 * 1024 * 1024


class TaskLog:
    """Writes lines to the run's log. Never raises and never waits; a flood is dropped and counted."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._lock = threading.RLock()
        self._lines: List[Tuple[Dict[str, Any], int]] = []
        self._bytes = 0
        self._dropped = 0
        self._unanswered = 0
        self._closed = False

    def debug(self, text: object, /, **fields: Any) -> None:
        self._add("debug", text, fields)

    def info(self, text: object, /, **fields: Any) -> None:
        self._add("info", text, fields)

    def warning(self, text: object, /, **fields: Any) -> None:
        self._add("warn", text, fields)

    def error(self, text: object, /, **fields: Any) -> None:
        self._add("error", text, fields)

    def _flush(self) -> None:
        """Sends what is left, a count of dropped lines included."""
        with self._lock:
            self._send(everything=True)

    def _close(self) -> None:
        """As ``_flush``, then takes no more."""
        with self._lock:
            self._send(everything=True)
            self._closed = True

    def _add(self, level: str, text: object, fields: Dict[str, Any]) -> None:
        with self._lock:
            if self._closed:
                return
            if len(self._lines) >= _WAITING_LINES or self._bytes >= _WAITING_BYTES:
                self._dropped += 1
                return
            line = _line(level, text, fields)
            self._append(line)
            self._send(everything=False)

    def _append(self, line: Dict[str, Any]) -> None:
        size = utf8_bytes(json_text(line))
        self._lines.append((line, size))
        self._bytes += size

    def _send(self, everything: bool) -> None:
        while self._lines and (everything or self._unanswered == 0):
            lines = self._next_lines()
            self._unanswered += 1
            try:
                self._call("log.write", {"lines": lines}).add_done_callback(lambda _: self._answered())
            except Exception:
                self._unanswered -= 1  # lines that cannot be sent are no reason to fail the body
            if self._dropped > 0 and not self._lines:
                text = f"{self._dropped} lines of ctx.log were dropped: they came too fast."
                self._dropped = 0
                self._append({"level": "warn", "text": text})

    def _next_lines(self) -> List[Dict[str, Any]]:
        """As many as fit well into one message."""
        count, size = 0, 0
        while count < min(len(self._lines), _BATCH_LINES) and size < _BATCH_BYTES:
            size += self._lines[count][1]
            count += 1
        lines, self._lines = [line for line, _ in self._lines[:count]], self._lines[count:]
        self._bytes -= size
        return lines

    def _answered(self) -> None:
        with self._lock:
            self._unanswered -= 1
            if not self._closed:
                self._send(everything=False)


class LogHandler(logging.Handler):
    """Takes what comes to it from the ``logging`` module into the run's log, with its level and its logger's name."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.log: Optional[TaskLog] = None

    def install(self) -> None:
        """Makes it the handler of the root logger, from the level INFO on. Bodies may set another level, or force their own."""
        root = logging.getLogger()
        root.addHandler(self)
        root.setLevel(logging.INFO)

    def emit(self, record: logging.LogRecord) -> None:
        level = "debug"
        for least, name in ((logging.ERROR, "error"), (logging.WARNING, "warn"), (logging.INFO, "info")):
            if record.levelno >= least:
                level = name
                break
        try:
            if self.log is not None:
                self.log._add(level, self.format(record), {"logger": record.name})
        except Exception:
            self.handleError(record)


class ProgressSender:
    """Sends the latest progress; while one report is unanswered, later ones replace each other."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._lock = threading.RLock()
        self._latest: Optional[Dict[str, Any]] = None
        self._unanswered = False
        self._closed = False

    def report(self, done: float, total: Optional[float], text: Optional[str]) -> None:
        if self._closed or not _is_number(done):
            return
        report: Dict[str, Any] = {"done": done}
        if total is not None and _is_number(total):
            report["total"] = total
        if text is not None:
            report["text"] = storable_text(str(text)[:1_000])
        with self._lock:
            self._latest = report
            self._send()

    def flush(self) -> None:
        with self._lock:
            self._unanswered = False
            self._send()

    def close(self) -> None:
        self.flush()
        self._closed = True

    def _send(self) -> None:
        if self._latest is None or self._unanswered or self._closed:
            return
        latest, self._latest = self._latest, None
        self._unanswered = True
        try:
            self._call("progress.report", latest).add_done_callback(lambda _: self._answered())
        except Exception:
            self._unanswered = False

    def _answered(self) -> None:
        with self._lock:
            self._unanswered = False
            self._send()


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _line(level: str, text: object, fields: Dict[str, Any]) -> Dict[str, Any]:
    try:
        said = str(text)
    except Exception as error:
        said = f"A line whose text could not be made: {error!r}"
    line: Dict[str, Any] = {"level": level, "text": cut_text(said, limits.LOG_LINE_BYTES // 3 - 100)}
    if not fields:
        return line
    try:
        kept = stored_value(fields, "fields")
        size = utf8_bytes(json_text(kept))
        line["fields"] = kept if size <= limits.LOG_LINE_BYTES else {"dropped": f"fields of {size} bytes"}
    except Exception as error:
        line["fields"] = {"dropped": storable_text(str(error))}
    return line
