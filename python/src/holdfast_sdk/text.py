"""Texts that every store can keep: no NUL, no half of a surrogate pair."""

from __future__ import annotations

import re
from typing import Optional

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable_text(text: str) -> str:
    """The text with what cannot be stored replaced by U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def text_defect(text: str) -> Optional[str]:
    """What makes a text unfit to be stored, or None."""
    found = _UNSTORABLE.search(text)
    if found is None:
        return None
    return "NUL" if found[0] == "\x00" else "lone surrogate"


def utf8_bytes(text: str) -> int:
    """Bytes of the text in UTF-8; half a surrogate pair counts as three."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def cut_text(text: str, max_characters: int) -> str:
    """The text, storable, and cut where it is longer."""
    if len(text) > max_characters:
        text = f"{text[:max_characters]}… (cut: {len(text)} characters)"
    return storable_text(text)
