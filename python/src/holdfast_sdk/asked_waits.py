"""What a body has asked to wait for, and what of it travels in one message (sdk/src/asked-waits.ts)."""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from .wait_nodes import Leaf, RaceNode

LONGEST_REF = 1_000

Read = Callable[[Any], Any]


class Asked:
    """A wait, and how its record is read: a payload or output becomes what the body gets; it may raise."""

    def __init__(self, leaf: Leaf, spec: Mapping[str, Any], read: Read) -> None:
        self.leaf = leaf
        self.spec = spec
        self.read = read
        # It is open in the store, and the body goes on as if it were not: what starts its job has raised.
        self.is_left = False
        # The ``token`` that its service was called with to start it, and the ``ref`` that this has answered.
        self.called: Mapping[str, Any] = {}

    def let_go(self, warn: Callable[[str], None]) -> None:
        """Nobody wants it any more: says what people need who look for it, since its service may have it all the same."""
        self.is_left = False
        if "token" not in self.called:
            return
        service, error = self.spec["service"], getattr(self.leaf.outcome, "error", None)
        names = f", which calls it {json.dumps(self.called['ref'])[:LONGEST_REF]}" if "ref" in self.called else ""
        warn(
            f'The body went on without the job "{self.leaf.key}", whose start raised: {error}. Whether {service} has it is not known, '
            f"and nobody follows or ends it: look for the token {self.called['token']} there{names}."
        )


class Message:
    """What travels together. ``groups``: the suspension's; None: the body goes on meanwhile. ``left``: keys of jobs that are not to
    be started any more."""

    def __init__(
        self,
        waits: List[Mapping[str, Any]],
        decided: List[Tuple[RaceNode, str, List[Leaf]]],
        groups: Optional[List[List[str]]],
        left: Sequence[str] = (),
    ) -> None:
        self.waits = waits
        self.decided = decided
        self.groups = groups
        self.left = left

    @property
    def method(self) -> str:
        return "wait.open" if self.groups is None else "run.suspend"

    @property
    def params(self) -> Dict[str, Any]:
        settles: List[Dict[str, Any]] = [
            {"key": race.key, "value": {"winner": name}, "drops": [leaf.key for leaf in losers]}
            for race, name, losers in self.decided
        ]
        settles += [{"key": f"{key} was not started", "value": True, "drops": [key]} for key in self.left]
        groups = {} if self.groups is None else {"groups": self.groups}
        return {"waits": self.waits, "settles": settles, **groups}

    @property
    def keys(self) -> List[str]:
        """The keys that fail with it."""
        return [*(wait["key"] for wait in self.waits), *(key for group in self.groups or [] for key in group)]
