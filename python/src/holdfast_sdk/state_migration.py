"""Values that were written by code of an earlier version are made into those of this one (sdk/src/state-migration.ts): at the first use
of their scope, in one commit with the version that is kept beside them. Who was slower finds them done."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Callable, Dict, Generator, List, Mapping, Tuple

from . import limits
from .errors import AppError, is_app_error
from .state_changes import Op, StateChanges, scope_name
from .state_keys import canonical_text
from .state_schema import VERSION_KEY, VersionedState

Acts = Generator[Tuple[str, Any], Any, Any]


def migrated(declared: VersionedState, changes: StateChanges, scope: Mapping[str, str], fresh: Callable[[str], str]) -> Acts:
    """Returns once the values are of the declared version. ``fresh``: makes a key that no earlier activation used. Raises AppError where
    they are of a later one, or too many would change."""
    name = scope_name(scope)
    while True:
        answer = yield "call", ("state.get", {"scope": dict(scope), "keys": [VERSION_KEY]})
        marked = answer["values"][0] if answer["values"] else None
        found = 1 if marked is None else marked["value"]
        if found == declared.version:
            return
        if found > declared.version:
            raise AppError(
                "invalid_request",
                f"The state of this {name} is of version {found} of its schema, and this code knows {declared.version}.",
                hint="Newer code has written it: run that, or clear the state.",
            )
        mark = {"op": "set", "scope": dict(scope), "key": VERSION_KEY, "value": declared.version}
        mark["ifVersion"] = 0 if marked is None else marked["version"]
        ops = yield from _changes_of(declared, found, changes, scope)
        try:
            yield "call", ("state.transact", {"key": fresh(f"migrate/{name}"), "ops": [mark, *ops]})
            return
        except AppError as error:
            if not is_app_error(error, "state_conflict"):
                raise


def _changes_of(declared: VersionedState, found: int, changes: StateChanges, scope: Mapping[str, str]) -> Acts:
    views = yield from listed(scope, None)
    views = [view for view in views if view["key"] != VERSION_KEY]
    if not views or declared.migrate is None:
        return []
    values = declared.migrate({view["key"]: view["value"] for view in views}, found)
    made: Dict[str, Any] = {changes.key(key): changes.value(key, value) for key, value in values.items()}
    ops: List[Op] = []
    for view in views:
        place = {"scope": dict(scope), "key": view["key"], "ifVersion": view["version"]}
        if view["key"] not in made:
            ops.append({"op": "delete", **place})
            continue
        value = made.pop(view["key"])
        if canonical_text(value) != canonical_text(view["value"]):
            ops.append({"op": "set", **place, "value": value, "retentionMs": _kept_ms(view)})
    ops.extend({"op": "set", "scope": dict(scope), "key": key, "value": value, "ifVersion": 0} for key, value in made.items())
    if len(ops) < limits.STATE_OPS_PER_TRANSACTION:
        return ops
    raise AppError(
        "limit_exceeded",
        f"The migration of the state of this {scope_name(scope)} to version {declared.version} changes {len(ops)} keys; "
        f"{limits.STATE_OPS_PER_TRANSACTION - 1} are allowed.",
        hint="Keep the old keys readable, and change them where they are used.",
    )


def listed(scope: Mapping[str, str], prefix: Any) -> Acts:
    """All values of a scope as the channel gives them, page by page."""
    found: List[Mapping[str, Any]] = []
    asked: Dict[str, Any] = {"scope": dict(scope)}
    if prefix is not None:
        asked["prefix"] = prefix
    while True:
        page = yield "call", ("state.list", dict(asked))
        found.extend(page["values"])
        if page["cursor"] is None:
            return found
        asked["after"] = page["cursor"]


def _kept_ms(view: Mapping[str, Any]) -> Any:
    if view["expiresAt"] is None:
        return None
    began, ends = (datetime.fromisoformat(view[name].replace("Z", "+00:00")) for name in ("updatedAt", "expiresAt"))
    return max(1, round((ends - began).total_seconds() * 1000))
