"""What JSON keeps of a value, as a copy: the same that a later activation will read from the record.

Where ``json.dumps`` would silently lose something (a key that is no text, NaN, a number beyond what readers keep), this
says so and names the path.
"""

from __future__ import annotations

import dataclasses
import math
from datetime import date, datetime, time
from enum import Enum
from pathlib import PurePath
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, Union
from uuid import UUID

from . import limits
from .external_job import ExternalJob
from .nesting import too_deep, walk_deep
from .text import text_defect

Step = Union[str, int]
OnJob = Callable[[ExternalJob, Tuple[Step, ...]], Any]
"""What stands for an external job that is found at this path."""


def stored_value(value: Any, what: str, on_job: Optional[OnJob] = None) -> Any:
    """JSON's copy of ``value``.

    ``on_job``: makes something of the external jobs in it, which cannot be kept as they are. Raises TypeError with a message that begins with ``what`` and the path in it, and ``too_large`` for what is nested too deeply.
    """
    try:
        return walk_deep(lambda: _copy(value, what, (), (), on_job))
    except RecursionError:
        raise too_deep(what) from None


def iso_text(moment: Union[datetime, date, time]) -> str:
    """ISO 8601; a moment without distance from UTC ends in Z, as in JavaScript."""
    text = moment.isoformat()
    return f"{text[:-6]}Z" if isinstance(moment, datetime) and text.endswith("+00:00") else text


def _copy(value: Any, what: str, path: Tuple[Step, ...], parents: Tuple[int, ...], on_job: Optional[OnJob]) -> Any:
    if value is None or value is True or value is False:
        return value
    if isinstance(value, Enum):
        return _copy(value.value, what, path, parents, on_job)
    if isinstance(value, str):
        return _text(value, what, path)
    if isinstance(value, int):
        if abs(value) <= limits.SAFE_INTEGER:
            return int(value)
        raise _refusal("a whole number beyond 2**53, which readers of JSON round: return it as text", what, path, "")
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        raise _refusal(str(value), what, path)
    if isinstance(value, (datetime, date, time)):
        return iso_text(value)
    if isinstance(value, (UUID, PurePath)):
        return _text(str(value), what, path)
    if id(value) in parents:
        raise _refusal("a reference to something that contains it", what, path)
    if len(parents) == limits.NESTING_LEVELS:
        raise too_deep(what)
    if on_job is not None and isinstance(value, ExternalJob):
        return on_job(value, path)
    return _copy_object(value, what, path, (*parents, id(value)), on_job)


def _copy_object(
    value: Any, what: str, path: Tuple[Step, ...], parents: Tuple[int, ...], on_job: Optional[OnJob]
) -> Any:
    fields = _fields(value)
    if fields is not None:
        return {name: _copy(item, what, (*path, name), parents, on_job) for name, item in fields.items()}
    if isinstance(value, Mapping):
        copied: Dict[str, Any] = {}
        for key, item in value.items():
            if not isinstance(key, str):
                raise _refusal(f"an object with the key {key!r}: JSON has texts for keys", what, path, "")
            copied[_text(key, what, path)] = _copy(item, what, (*path, key), parents, on_job)
        return copied
    if isinstance(value, (list, tuple)):
        items: List[Any] = [_copy(item, what, (*path, index), parents, on_job) for index, item in enumerate(value)]
        return items
    raise _refusal(_name_of(value), what, path)


def _fields(value: Any) -> Any:
    """The fields of a record, or None: dataclasses, named tuples, pydantic models, attrs classes."""
    if isinstance(value, type):
        return None
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return value._asdict()
    kind = type(value)
    if callable(getattr(kind, "model_dump", None)):
        return value.model_dump()
    if callable(getattr(kind, "dict", None)) and hasattr(kind, "__fields__"):
        return value.dict()
    if hasattr(kind, "__attrs_attrs__"):
        return {each.name: getattr(value, each.name) for each in kind.__attrs_attrs__}
    return None


def _text(text: str, what: str, path: Tuple[Step, ...]) -> str:
    defect = text_defect(text)
    if defect is not None:
        raise _refusal("text with a NUL character" if defect == "NUL" else "text with half a surrogate pair", what, path)
    return str(text)


def _name_of(value: Any) -> str:
    name = type(value).__name__
    return f"an {name}" if name[:1] in "AEIOUaeiou" else f"a {name}"


def _refusal(found: str, what: str, path: Tuple[Step, ...], end: str = ", which JSON cannot keep") -> TypeError:
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return TypeError(f"{what}{place} is {found}{end}.")
