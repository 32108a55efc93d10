"""JSON to what an annotation says: dataclasses, dates, lists of them, optional ones. What is wrong is named by its path."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import sys
import typing
from collections import abc
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from enum import Enum
from pathlib import Path, PurePath
from typing import Any, Callable, Dict, List, Mapping, Tuple, Union
from uuid import UUID


class InputMismatch(Exception):
    """A value that does not fit. ``str()`` is one sentence without its end."""


def convert(value: Any, wanted: Any, place: str) -> Any:
    """``value`` as ``wanted``, an annotation, has it. Raises InputMismatch, which names the place."""
    if wanted is inspect.Parameter.empty or wanted is Any or wanted is object or isinstance(wanted, (str, typing.TypeVar)):
        return value
    if wanted is None or wanted is type(None):
        return value if value is None else _mismatch(value, "null", place)
    supertype = getattr(wanted, "__supertype__", None)
    if supertype is not None:
        return convert(value, supertype, place)
    origin = typing.get_origin(wanted)
    if origin is not None:
        return _convert_generic(value, origin, wanted, place)
    if not isinstance(wanted, type):
        return value
    scalar = _SCALARS.get(wanted)
    return scalar(value, place) if scalar is not None else _convert_class(value, wanted, place)


def hints_of(subject: Any) -> Dict[str, Any]:
    """The annotations of a function or class, evaluated one by one: one that cannot be is left as its text."""
    try:
        return typing.get_type_hints(subject)
    except Exception:
        pass
    hints: Dict[str, Any] = {}
    scope = dict(vars(sys.modules.get(getattr(subject, "__module__", ""), typing)))
    for name, annotation in getattr(subject, "__annotations__", {}).items():
        try:
            hints[name] = eval(annotation, scope) if isinstance(annotation, str) else annotation
        except Exception:
            hints[name] = annotation
    return hints


def is_record(wanted: Any) -> bool:
    """True for what a whole JSON object may become."""
    if wanted in (inspect.Parameter.empty, Any, dict) or isinstance(wanted, (str, typing.TypeVar)):
        return True
    origin = typing.get_origin(wanted)
    if origin is not None:
        if origin is Union or type(wanted).__name__ == "UnionType":
            return any(is_record(member) for member in typing.get_args(wanted))
        return isinstance(origin, type) and issubclass(origin, abc.Mapping)
    if not isinstance(wanted, type) or wanted in _SCALARS or wanted in (list, tuple, set, frozenset, type(None)):
        return False
    return not issubclass(wanted, Enum)


def describe(value: Any) -> str:
    """A value as it may stand in a message."""
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list):
        return "a list"
    text = repr(value) if not isinstance(value, bool) else str(value).lower()
    return text if len(text) <= 80 else f"{text[:77]}…"


def nearest(name: str, names: typing.Iterable[str]) -> str:
    """`` Did you mean …?`` or nothing."""
    found = difflib.get_close_matches(name, list(names), n=1)
    return f" Did you mean {found[0]}?" if found else ""


def _mismatch(value: Any, expected: str, place: str) -> typing.NoReturn:
    raise InputMismatch(f"{place} has to be {expected} and is {describe(value)}")


def _convert_generic(value: Any, origin: Any, wanted: Any, place: str) -> Any:
    args = typing.get_args(wanted)
    if origin is Union or type(wanted).__name__ == "UnionType":
        return _convert_union(value, args, place)
    if origin is typing.Literal:
        if any(type(value) is type(each) and value == each for each in args):
            return value
        _mismatch(value, f"one of {', '.join(describe(each) for each in args)}", place)
    if not isinstance(origin, type):
        return value
    if issubclass(origin, abc.Mapping):
        if not isinstance(value, dict):
            _mismatch(value, "an object", place)
        item = args[1] if len(args) == 2 else Any
        return {key: convert(each, item, f"{place}.{key}") for key, each in value.items()}
    if issubclass(origin, tuple):
        return _convert_tuple(value, args, place)
    if issubclass(origin, (abc.Iterable, abc.Collection)) and origin is not type:
        if not isinstance(value, list):
            _mismatch(value, "a list", place)
        item = args[0] if args else Any
        converted = [convert(each, item, f"{place}[{index}]") for index, each in enumerate(value)]
        if issubclass(origin, frozenset):
            return frozenset(converted)
        return set(converted) if issubclass(origin, abc.Set) else converted
    return value


def _convert_union(value: Any, members: Tuple[Any, ...], place: str) -> Any:
    if value is None and type(None) in members:
        return None
    problems: List[str] = []
    for member in members:
        if member is type(None):
            continue
        try:
            return convert(value, member, place)
        except InputMismatch as problem:
            problems.append(str(problem))
    if len(problems) == 1:
        raise InputMismatch(problems[0])
    raise InputMismatch(f"{place} fits none of its types: {'; '.join(problems)}")


def _convert_tuple(value: Any, args: Tuple[Any, ...], place: str) -> Any:
    if not isinstance(value, list):
        _mismatch(value, "a list", place)
    if len(args) == 2 and args[1] is Ellipsis:
        return tuple(convert(each, args[0], f"{place}[{index}]") for index, each in enumerate(value))
    if args and len(args) != len(value):
        raise InputMismatch(f"{place} has to be a list of {len(args)} and has {len(value)}")
    wanted = args or (Any,) * len(value)
    return tuple(convert(each, wanted[index], f"{place}[{index}]") for index, each in enumerate(value))


def _convert_class(value: Any, wanted: type, place: str) -> Any:
    if issubclass(wanted, Enum):
        try:
            return wanted(value)
        except ValueError:
            _mismatch(value, f"one of {', '.join(describe(each.value) for each in wanted)}", place)
    if not issubclass(wanted, dict) and isinstance(value, wanted):  # a TypedDict refuses the question
        return value
    if wanted in (list, tuple, set, frozenset):
        return wanted(value) if isinstance(value, list) else _mismatch(value, "a list", place)
    if not isinstance(value, dict):
        if dataclasses.is_dataclass(wanted) or issubclass(wanted, dict):
            _mismatch(value, f"an object ({wanted.__name__})", place)
        if isinstance(value, list) and issubclass(wanted, tuple) and hasattr(wanted, "_fields"):
            return _convert_record(dict(zip(wanted._fields, value)), wanted, place)
        return value
    return _convert_record(value, wanted, place)


def _convert_record(value: Dict[str, Any], wanted: Any, place: str) -> Any:
    if dataclasses.is_dataclass(wanted):
        fields = [field for field in dataclasses.fields(wanted) if field.init]
        needed = {
            field.name
            for field in fields
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        }
        return _build(value, wanted, {field.name for field in fields}, needed, place)
    if issubclass(wanted, tuple) and hasattr(wanted, "_fields"):
        return _build(value, wanted, set(wanted._fields), set(wanted._fields) - set(wanted._field_defaults), place)
    if issubclass(wanted, dict):  # a TypedDict at run time is one
        hints = hints_of(wanted)
        return {key: convert(each, hints.get(key, Any), f"{place}.{key}") for key, each in value.items()}
    for name in ("model_validate", "parse_obj"):  # pydantic
        build = getattr(wanted, name, None)
        if callable(build):
            return _built(lambda: build(value), wanted, place)
    return _built(lambda: wanted(**value), wanted, place)


def _build(value: Dict[str, Any], wanted: Any, names: typing.Set[str], needed: typing.Set[str], place: str) -> Any:
    for key in value:
        if key not in names:
            raise InputMismatch(f"{place} has {key!r}, which {wanted.__name__} does not.{nearest(key, names)}".rstrip("."))
    missing = sorted(needed - set(value))
    if missing:
        raise InputMismatch(f"{place}.{missing[0]} is missing ({wanted.__name__} needs it)")
    hints = hints_of(wanted)
    converted = {key: convert(each, hints.get(key, Any), f"{place}.{key}") for key, each in value.items()}
    return _built(lambda: wanted(**converted), wanted, place)


def _built(build: Callable[[], Any], wanted: type, place: str) -> Any:
    try:
        return build()
    except InputMismatch:
        raise
    except Exception as error:
        raise InputMismatch(f"{place} makes no {wanted.__name__}: {error}") from error


def _boolean(value: Any, place: str) -> Any:
    return value if isinstance(value, bool) else _mismatch(value, "true or false", place)


def _integer(value: Any, place: str) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else _mismatch(value, "a whole number", place)


def _float(value: Any, place: str) -> Any:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number else _mismatch(value, "a number", place)


def _text(value: Any, place: str) -> Any:
    return value if isinstance(value, str) else _mismatch(value, "a text", place)


def _parsed(parse: Callable[[str], Any], expected: str) -> Callable[[Any, str], Any]:
    def read(value: Any, place: str) -> Any:
        if not isinstance(value, str):
            _mismatch(value, expected, place)
        try:
            return parse(value)
        except (ValueError, InvalidOperation):
            _mismatch(value, expected, place)

    return read


def _moment(text: str) -> datetime:
    # Python before 3.11 does not know Z, nor fractions of other than three or six digits.
    return datetime.fromisoformat(f"{text[:-1]}+00:00" if text.endswith(("Z", "z")) else text)


def _decimal(value: Any, place: str) -> Any:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Decimal(str(value))
    return _parsed(Decimal, "a number or its text")(value, place)


def _mapping(value: Any, place: str) -> Any:
    return value if isinstance(value, dict) else _mismatch(value, "an object", place)


_SCALARS: Dict[Any, Callable[[Any, str], Any]] = {
    bool: _boolean,
    int: _integer,
    float: _float,
    str: _text,
    datetime: _parsed(_moment, "a moment such as 2026-01-31T12:00:00Z"),
    date: _parsed(date.fromisoformat, "a date such as 2026-01-31"),
    time: _parsed(time.fromisoformat, "a time such as 12:00:00"),
    UUID: _parsed(UUID, "a UUID"),
    Path: _parsed(Path, "a path"),
    PurePath: _parsed(PurePath, "a path"),
    Decimal: _decimal,
    dict: _mapping,
}
