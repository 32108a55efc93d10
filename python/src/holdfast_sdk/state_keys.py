"""The names of writes of state that their body does not name (sdk/src/state-keys.ts): ``verb/scope/name#n``, n counted in this activation.

What says by itself which value is to be there afterwards (set, delete, clear, set_if_max) also has 8 digits of its arguments in it: a body
that begins again and goes on from what it reads then writes on, and is not answered by the record of an earlier value.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any, Optional

from .framing import json_text

_NAME_CHARACTERS = 400


def write_name(verb: str, scope: str, name: str, args: Optional[Any] = None) -> str:
    """The name of a write before it is counted. ``args``: of one that is absolute."""
    short = name if utf16_length(name) <= _NAME_CHARACTERS else f"~{_digits(name)[:32]}"
    place = f"{verb}/{scope}/{short}" if short else f"{verb}/{scope}"
    return place if args is None else f"{place}@{_digits(canonical_text(args))[:8]}"


def changes_hash(ops: Any) -> str:
    """What a record says of the changes that it is of."""
    return _digits(canonical_text(ops))


def utf16_length(text: str) -> int:
    """Characters as the control plane counts them."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def canonical_text(value: Any) -> str:
    """The text of a JSON value after RFC 8785."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{json_text(key)}:{canonical_text(value[key])}" for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(canonical_text(item) for item in value) + "]"
    return _number_text(value) if isinstance(value, float) else json_text(value)


def _number_text(number: float) -> str:
    """As ECMAScript prints it."""
    if number.is_integer() and abs(number) < 1e21:
        return str(int(number))
    text = repr(number)
    mantissa, _, power = text.partition("e")
    if not power:
        return text
    exponent = int(power)
    if -7 < exponent < 21:
        return format(Decimal(text), "f")
    return f"{mantissa[:-2] if mantissa.endswith('.0') else mantissa}e{'+' if exponent > 0 else '-'}{abs(exponent)}"


def _digits(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
