"""What a body waits for, as a tree: leaves are waits with a key, above them ``all`` and ``race`` (sdk/src/wait-nodes.ts).

A suspension is woken by groups of keys; a group that wakes a body too early costs a start, one that never wakes it would cost
the run.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union


class Outcome(NamedTuple):
    """What came of a wait: a value, or what waiting for it raises."""

    value: Any = None
    error: Optional[BaseException] = None


class RaceResult(NamedTuple):
    """Which member of a race was over first, and with what."""

    winner: str
    value: Any


class Leaf:
    """One wait."""

    def __init__(self, key: str) -> None:
        self.key = key
        # None while it is open.
        self.outcome: Optional[Outcome] = None
        # When it was over, among all waits of the body; 0 while it is open.
        self.rank = 0
        # Whether anybody has asked what came of it.
        self.is_awaited = False

    def note_awaited(self) -> None:
        """Somebody asks what comes of it, and of all that is in it."""
        self.is_awaited = True

    def groups(self) -> List[List[str]]:
        """Groups of open keys: when all of any one have ended, it may be over."""
        return [[self.key]] if self.outcome is None else []

    def leaves(self) -> List[Leaf]:
        """The open waits in it."""
        return [self] if self.outcome is None else []


class AllNode:
    """Over when all members are, with the list of their values or the first error of the list."""

    def __init__(self, members: Sequence[WaitNode]) -> None:
        self._members = members

    @property
    def outcome(self) -> Optional[Outcome]:
        values: List[Any] = []
        failed: Optional[Outcome] = None
        for member in self._members:
            outcome = member.outcome
            if outcome is None:
                return None
            if outcome.error is not None:
                failed = failed or outcome
            values.append(outcome.value)
        return failed or Outcome(values)

    @property
    def rank(self) -> int:
        return 0 if self.outcome is None else max([0, *(member.rank for member in self._members)])

    def groups(self) -> List[List[str]]:
        groups = [of for of in (member.groups() for member in self._members) if of]
        # A race among them may be over by one of several waits: then it wakes for each.
        if any(len(of) > 1 for of in groups):
            return [keys for of in groups for keys in of]
        return [[key for of in groups for keys in of for key in keys]] if groups else []

    def leaves(self) -> List[Leaf]:
        return [leaf for member in self._members for leaf in member.leaves()]

    def note_awaited(self) -> None:
        for member in self._members:
            member.note_awaited()


class RaceNode:
    """Over when it is recorded which member was first, and as that one."""

    def __init__(self, key: str, members: Mapping[str, WaitNode]) -> None:
        self.key = key
        self._members: Dict[str, WaitNode] = dict(members)
        # The winner's name, once it is recorded.
        self.winner: Optional[str] = None
        # Why it could not be recorded.
        self.failure: Optional[Outcome] = None
        # The winner is on its way to the store.
        self.is_deciding = False

    @property
    def outcome(self) -> Optional[Outcome]:
        if self.failure is not None:
            return self.failure
        won = self._won
        outcome = None if won is None else won.outcome
        if outcome is None or outcome.error is not None or self.winner is None:
            return outcome
        return Outcome(RaceResult(self.winner, outcome.value))

    @property
    def rank(self) -> int:
        won = self._won
        return 0 if self.outcome is None or won is None else won.rank

    def leader(self) -> Optional[Tuple[str, List[Leaf]]]:
        """Who is over first, while nobody is recorded; and what is open of the others."""
        if self.winner is not None or self.is_deciding or self.failure is not None:
            return None
        over = [(member.rank, place, name) for place, (name, member) in enumerate(self._members.items()) if member.outcome]
        if not over:
            return None
        _, _, first = min(over)
        return first, [leaf for name, member in self._members.items() if name != first for leaf in member.leaves()]

    def groups(self) -> List[List[str]]:
        if self.is_deciding or self.outcome is not None:
            return []
        won = self._won
        waiting = list(self._members.values()) if won is None else [won]
        return [keys for member in waiting for keys in member.groups()]

    def leaves(self) -> List[Leaf]:
        return [leaf for member in self._members.values() for leaf in member.leaves()]

    def note_awaited(self) -> None:
        for member in self._members.values():
            member.note_awaited()

    @property
    def _won(self) -> Optional[WaitNode]:
        return None if self.winner is None else self._members.get(self.winner)


WaitNode = Union[Leaf, AllNode, RaceNode]
