"""Annotations as JSON Schema, and values held against that. What JSON keeps of a value is what is described: a date is its text.

What an annotation does not say (a class of somebody else's, a type that is not there yet) is taken as it comes.
"""

from __future__ import annotations

import dataclasses
import typing
from collections import abc
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, Dict, List, Mapping, Optional, Tuple, Union
from uuid import UUID

from .converting import InputMismatch, convert, describe, hints_of, nearest

Schema = Dict[str, Any]

_NAMES = {bool: "boolean", int: "integer", float: "number", str: "string", dict: "object", type(None): "null", None: "null"}
_FORMATS: Dict[Any, str] = {datetime: "date-time", date: "date", time: "time", UUID: "uuid"}
_PARSERS = {name: kind for kind, name in _FORMATS.items()}
_LISTS = (list, tuple, set, frozenset)
_EXPECTED = {
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "object": "an object",
    "array": "a list",
    "null": "null",
}


def record_schema(wanted: Any) -> Schema:
    """The schema of a class whose annotated names are properties: a TypedDict, a dataclass, any class that only annotates. Raises
    TypeError for what is none."""
    if isinstance(wanted, type) and _fields(wanted) is not None:
        reading = _Reading()
        schema = reading.record(wanted)
        return {**schema, "$defs": reading.defs} if reading.defs else schema
    raise TypeError(f"{getattr(wanted, '__name__', repr(wanted))} is no class with annotated names, such as a TypedDict or a dataclass.")


def check(value: Any, schema: Mapping[str, Any], place: str, defs: Mapping[str, Any]) -> None:
    """Holds a value of JSON against a schema that was made here. Raises InputMismatch, which names the place."""
    if "$ref" in schema:
        return check(value, defs[schema["$ref"].rpartition("/")[2]], place, defs)
    if "anyOf" in schema:
        return _check_any(value, schema["anyOf"], place, defs)
    if "enum" in schema:
        if any(type(value) is type(each) and value == each for each in schema["enum"]):
            return None
        raise InputMismatch(f"{place} has to be one of {', '.join(map(describe, schema['enum']))} and is {describe(value)}")
    kind = schema.get("type")
    if kind is not None and not _is_of(value, kind):
        raise InputMismatch(f"{place} has to be {_EXPECTED[kind]} and is {describe(value)}")
    if kind == "array":
        _check_items(value, schema, place, defs)
    elif kind == "object":
        _check_properties(value, schema, place, defs)
    elif "format" in schema:
        convert(value, _PARSERS[schema["format"]], place)
    return None


class _Reading:
    """Records that are inside of others stand once each among the definitions, so that they may contain themselves."""

    def __init__(self) -> None:
        self.defs: Dict[str, Schema] = {}
        self._names: Dict[Any, str] = {}

    def record(self, wanted: Any) -> Schema:
        fields, needed = _fields(wanted) or ({}, [])
        properties = {name: self.of(hint) for name, hint in fields.items()}
        return {"type": "object", "properties": properties, "required": needed, "additionalProperties": False}

    def of(self, wanted: Any) -> Schema:
        origin, args = typing.get_origin(wanted), typing.get_args(wanted)
        if getattr(wanted, "__supertype__", None) is not None:
            return self.of(wanted.__supertype__)
        if hasattr(wanted, "__metadata__") or _is_marker(origin):  # Annotated, Required and their like
            return self.of(args[0])
        if origin is Union or type(wanted).__name__ == "UnionType":
            return {"anyOf": [self.of(each) for each in args]}
        if origin is typing.Literal:
            return {"enum": list(args)}
        if origin is not None:
            return self._generic(origin, args)
        if wanted in _LISTS:
            return {"type": "array"}
        if not isinstance(wanted, type) and wanted is not None:
            return {}
        return self._class(wanted)

    def _generic(self, origin: Any, args: Tuple[Any, ...]) -> Schema:
        if not isinstance(origin, type):
            return {}
        if issubclass(origin, abc.Mapping):
            return {"type": "object", "additionalProperties": self.of(args[1]) if len(args) == 2 else {}}
        if issubclass(origin, tuple) and not (len(args) == 2 and args[1] is Ellipsis):
            fixed = [self.of(each) for each in args if each != ()]
            return {"type": "array", "prefixItems": fixed, "items": False, "minItems": len(fixed)}
        if issubclass(origin, abc.Iterable):
            return {"type": "array", "items": self.of(args[0]) if args else {}}
        return {}

    def _class(self, wanted: Any) -> Schema:
        if wanted in _NAMES:
            return {"type": _NAMES[wanted]}
        if wanted in _FORMATS:
            return {"type": "string", "format": _FORMATS[wanted]}
        if issubclass(wanted, Enum):
            return {"enum": [each.value for each in wanted]}
        if issubclass(wanted, PurePath):
            return {"type": "string"}
        if wanted is Decimal or _fields(wanted) is None:
            return {}
        if wanted not in self._names:
            name = wanted.__name__
            while name in self.defs:
                name += "_"
            self._names[wanted] = name
            self.defs[name] = {}
            self.defs[name] = self.record(wanted)
        return {"$ref": f"#/$defs/{self._names[wanted]}"}


def _fields(wanted: Any) -> Optional[Tuple[Dict[str, Any], List[str]]]:
    """The annotated names of a class with their types, and which of them have to be there; None where it has none."""
    if wanted.__module__ == "builtins":
        return None
    hints = _hints(wanted)
    if not hints:
        return None
    if dataclasses.is_dataclass(wanted):
        names = {field.name: _has_default(field) for field in dataclasses.fields(wanted)}
        return {name: hints.get(name, Any) for name in names}, [name for name, has in names.items() if not has]
    if issubclass(wanted, dict):  # a TypedDict at run time is one
        required = getattr(wanted, "__required_keys__", frozenset(hints))
        needed = [name for name, hint in hints.items() if _is_needed(hint, name in required)]
        return hints, needed
    fields = {name: hint for name, hint in hints.items() if typing.get_origin(hint) is not typing.ClassVar}
    return fields, [name for name in fields if not hasattr(wanted, name)]


def _hints(wanted: Any) -> Dict[str, Any]:
    try:
        return typing.get_type_hints(wanted, include_extras=True)
    except Exception:  # one that cannot be evaluated: the others can
        return hints_of(wanted)


def _has_default(field: Any) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


def _is_needed(hint: Any, usually: bool) -> bool:
    # With annotations that are evaluated later, the class itself does not know which keys may be left out.
    name = getattr(typing.get_origin(hint), "_name", None)
    return name == "Required" or (usually and name != "NotRequired")


def _is_marker(origin: Any) -> bool:
    return getattr(origin, "_name", None) in ("Required", "NotRequired", "ReadOnly", "Final")


def _is_of(value: Any, kind: str) -> bool:
    if kind == "null":
        return value is None
    if kind == "boolean":
        return isinstance(value, bool)
    if kind in ("integer", "number"):
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return is_number and (kind == "number" or float(value).is_integer())
    return isinstance(value, {"string": str, "object": dict, "array": list}[kind])


def _check_any(value: Any, members: List[Mapping[str, Any]], place: str, defs: Mapping[str, Any]) -> None:
    problems: List[str] = []
    for member in members:
        try:
            return check(value, member, place, defs)
        except InputMismatch as problem:
            if member != {"type": "null"}:
                problems.append(str(problem))
    if len(problems) == 1:
        raise InputMismatch(problems[0])
    raise InputMismatch(f"{place} fits none of its types: {'; '.join(problems)}")


def _check_items(value: List[Any], schema: Mapping[str, Any], place: str, defs: Mapping[str, Any]) -> None:
    fixed = schema.get("prefixItems")
    if fixed is not None and len(value) != len(fixed):
        raise InputMismatch(f"{place} has to be a list of {len(fixed)} and has {len(value)}")
    items = schema.get("items") or {}
    for index, item in enumerate(value):
        check(item, items if fixed is None else fixed[index], f"{place}[{index}]", defs)


def _check_properties(value: Dict[str, Any], schema: Mapping[str, Any], place: str, defs: Mapping[str, Any]) -> None:
    properties = schema.get("properties", {})
    rest = schema.get("additionalProperties", {})
    for name in schema.get("required", []):
        if name not in value:
            raise InputMismatch(f"{place}.{name} is missing")
    for name, item in value.items():
        if name not in properties and rest is False:
            raise InputMismatch(f'{place} has "{name}", which its type does not.{nearest(name, properties)}'.rstrip("."))
        check(item, properties.get(name, rest), f"{place}.{name}", defs)
