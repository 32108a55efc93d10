"""What is said of assets, before anything is sent (sdk/src/asset-context.ts)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional

from . import limits
from .state import Acts, Names, Scope
from .state_changes import StateChange, StateChanges, StateResult
from .state_keys import utf16_length
from .stored_value import stored_value
from .text import text_defect

DEFAULT_EVENTS = 100


@dataclass(frozen=True)
class AssetEvent:
    """Something that was told about an asset. ``at``: RFC 3339; ``run``: who told it, None: a person."""

    number: int
    """From 1, without a gap, in the order in which they were committed."""
    key: Optional[str]
    payload: Any
    at: str
    run: Optional[str]


@dataclass(frozen=True)
class Emitted:
    """What became of an event. ``existing``: one with this key was there, and ``number`` is its."""

    number: int
    existing: bool


@dataclass(frozen=True)
class Advanced:
    """What became of a watermark: whether it moved, what it is now, and the number of the event that was told with it."""

    changed: bool
    value: Any
    event: Optional[int]


class AssetChanges(StateChanges):
    """Makes changes for ``transact``."""

    def __init__(self, name: str) -> None:
        super().__init__(f'ctx.asset("{name}")', {"kind": "asset", "id": name})
        self._id = name

    def emit(self, payload: Any, *, key: Optional[str] = None) -> StateChange:
        """Tells what has happened. ``key``: while an event with it is kept, another one of it is none."""
        facts = {"payload": self._payload(payload), **self._event_key(key)}
        return StateChange({"op": "emit", "scope": dict(self._scope), **facts})

    def advance(
        self, mark: str, to: Any, *, event: Any = None, key: Optional[str] = None, backwards: bool = False
    ) -> StateChange:
        """Moves a watermark up; with ``event`` that is told in the same commit."""
        if key is not None and event is None:
            raise TypeError(f'"key" names the event that the watermark of asset "{self._id}" is told with, and there is none.')
        facts: Dict[str, Any] = {"key": self.mark(mark), "to": self._to(to)}
        if event is not None:
            facts["event"] = {"payload": self._payload(event), **self._event_key(key)}
        if backwards:
            facts["backwards"] = True
        return StateChange({"op": "advance", "scope": {"kind": "watermark", "id": self._id}, **facts})

    def mark(self, mark: Any) -> str:
        if _is_text(mark, limits.KEY_CHARACTERS):
            return str(mark)
        most = limits.KEY_CHARACTERS
        raise TypeError(f'The name of a watermark of asset "{self._id}" is a text of 1 to {most} characters.')

    def _to(self, to: Any) -> Any:
        what = f'The watermark of asset "{self._id}"'
        made = stored_value(to, what)
        parts = made if isinstance(made, list) else [made]
        fits = 0 < len(parts) <= limits.WATERMARK_PARTS
        if fits and all(isinstance(part, (int, float, str)) and not isinstance(part, bool) for part in parts):
            return made
        raise TypeError(f"{what} is a number, a text, or a list of 1 to {limits.WATERMARK_PARTS} of these, not {to!r}.")

    def _payload(self, payload: Any) -> Any:
        return stored_value(payload, f'What an event of asset "{self._id}" says')

    def _event_key(self, key: Optional[str]) -> Dict[str, str]:
        if key is None:
            return {}
        if _is_text(key, limits.KEY_CHARACTERS):
            return {"key": key}
        raise TypeError(f'The key of an event of asset "{self._id}" is a text of 1 to {limits.KEY_CHARACTERS} characters.')


class AssetScope(Scope):
    """What both kinds of handles of an asset say."""

    op: AssetChanges

    def __init__(self, name: Any, names: Names) -> None:
        if not _is_text(name, limits.URI_CHARACTERS):
            raise TypeError(f"ctx.asset takes the id or the URI of an asset, and was given {name!r}.")
        super().__init__(AssetChanges(name), {"kind": "asset", "id": name}, names)
        self._id = name

    def marked(self, mark: str) -> Acts:
        asked = {"asset": self._id, "watermarks": [self.op.mark(mark)]}
        answer = yield "call", ("asset.get", asked)
        values = answer["watermarks"]
        return values[0] if values else None

    def events(self, after: int, limit: int) -> Acts:
        for name, number, least, most in (("after", after, 0, limits.SAFE_INTEGER), ("limit", limit, 1, limits.PAGE_ROWS)):
            if isinstance(number, bool) or not isinstance(number, int) or not least <= number <= most:
                raise ValueError(f'"{name}" of events is {number!r}: a whole number from {least} to {most}.')
        found: List[AssetEvent] = []
        while len(found) < limit:
            start = found[-1].number if found else after
            asked = {"asset": self._id, "after": start, "limit": limit - len(found)}
            answer = yield "call", ("asset.events", asked)
            if not answer["events"]:
                break
            found.extend(_event_of(event) for event in answer["events"])
        return found


def emitted_of(result: StateResult) -> Emitted:
    return Emitted(number=result.number or 0, existing=result.emitted is not True)


def advanced_of(result: StateResult) -> Advanced:
    return Advanced(changed=result.changed is True, value=result.value, event=result.number)


def _event_of(event: Mapping[str, Any]) -> AssetEvent:
    return AssetEvent(event["number"], event["key"], event["payload"], event["at"], event["run"])


def _is_text(text: Any, most: int) -> bool:
    return isinstance(text, str) and 0 < utf16_length(text) <= most and text_defect(text) is None
