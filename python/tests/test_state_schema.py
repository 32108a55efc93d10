"""What a task declares of its state. Faults to catch: a key or a value that is not declared and is written on one path; a mistake whose
place is not named; values of an earlier version that are read, written or cleared as if they were of this one, or migrated twice."""

import asyncio
import unittest
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from typing import Dict, List, Literal, Optional, Tuple, TypedDict, Union

from holdfast_sdk import VersionedState, task
from holdfast_sdk.errors import AppError
from holdfast_sdk.task import TaskOptions, task_options

from .recording import context_of
from .test_state import Plane


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Place:
    name: str
    inside: Optional["Place"] = None


class Kept(TypedDict, total=False):
    total: int
    rate: float
    name: str
    log: List[Place]
    by_day: Dict[str, int]
    pair: Tuple[int, str]
    colour: Colour
    mode: Literal["fast", 7]
    day: date
    either: Union[int, List[int], None]
    place: Place


@dataclass
class Counted:
    sum: int
    notes: List[str] = field(default_factory=list)


class Plain:
    cursor: str
    tries: int = 0


def opened(plane, state=None, task_state=None, is_async=False):
    steps = [{"key": key, "value": value} for key, value in plane.records.items()]
    return context_of(steps, answer=plane.answer, is_async=is_async, options=TaskOptions(True, state, task_state))


class StateSchemaTest(unittest.TestCase):
    def test_what_fits_is_kept_as_json_has_it(self):
        state = opened(Plane(), Kept)[0].state
        good = {
            "total": [1, 2.0],
            "rate": [1, 1.5],
            "log": [[], [Place("a", Place("b")), {"name": "c"}]],
            "by_day": [{"2026": 1}],
            "pair": [(1, "a")],
            "colour": [Colour.RED, "blue"],
            "mode": ["fast", 7],
            "day": [date(2026, 1, 31), "2026-01-31"],
            "either": [1, None, [1]],
            "place": [{"name": "a", "inside": None}],
        }
        for key, values in good.items():
            for value in values:
                state.set(key, value)
        self.assertEqual(state.get("log")[0], {"name": "a", "inside": {"name": "b", "inside": None}})

    def test_what_does_not_fit_is_refused_with_the_place_of_the_mistake_on_every_path(self):
        context, calls = opened(Plane(), Kept, Counted)
        state, of_task = context.state, context.task_state
        places = {
            lambda: state.set("total", "1"): r'The value of ctx\.state at "total" has to be a whole number and is \'1\'',
            lambda: state.set("total", True): "a whole number and is true",
            lambda: state.set("total", 1.5): "a whole number",
            lambda: state.set("log", [{"name": "a"}, {"name": 1}]): r'at "log"\[1\]\.name has to be a text',
            lambda: state.set("log", [Place("a", Place(5))]): r'at "log"\[0\]\.inside\.name has to be a text',
            lambda: state.set("place", {"nam": "a"}): r'at "place"\.name is missing',
            lambda: state.set("place", {"name": "a", "insid": None}): r'at "place" has "insid".* Did you mean inside',
            lambda: state.set("by_day", {"a": "b"}): r'at "by_day"\.a has to be a whole number',
            lambda: state.set("pair", [1]): "a list of 2 and has 1",
            lambda: state.set("colour", "green"): "one of 'red', 'blue'",
            lambda: state.set("mode", "slow"): "one of 'fast', 7",
            lambda: state.set("day", "soon"): "a date such as",
            lambda: state.set("either", "x"): "fits none of its types",
            lambda: state.set("totl", 1): r'The schema of ctx\.state has no "totl"\. Did you mean total\?',
            lambda: state.get("totl"): "no \"totl\"",
            lambda: state.delete("totl"): "no \"totl\"",
            lambda: state.increment("totl"): "no \"totl\"",
            lambda: state.increment("total", 0.5): "a whole number",
            lambda: state.increment("name"): "a text",
            lambda: state.append("log", {"name": 1}): r'at "log"\[0\]\.name',
            lambda: state.append("total", 1): "a whole number",
            lambda: state.set_if_max("name", 1): "a text",
            lambda: state.update("total", lambda _: "x"): 'at "total" has to be',
            lambda: of_task.set("notes", [1]): r'The value of ctx\.task_state at "notes"\[0\]',
            lambda: of_task.set("total", 1): 'no "total".*It has sum, notes',
            lambda: state.transact([state.op.set("total", 1), of_task.op.set("sum", "1")]): 'at "sum"',
        }
        for act, said in places.items():
            self.assertRaisesRegex(TypeError, said, act)
        self.assertEqual([method for method, _ in calls if method == "state.transact"], [])

    def test_what_is_no_declaration_is_refused_when_the_module_is_loaded(self):
        for wrong in (int, dict, "Kept", {"total": int}, List[int], type("Empty", (), {})):
            self.assertRaisesRegex(TypeError, "no class with annotated names", lambda: task(state=wrong)(lambda: None))
        for version in (0, -1, True, "2", 1.5):
            self.assertRaisesRegex(TypeError, "whole number from 1", lambda: VersionedState(Kept, version))
        self.assertRaisesRegex(TypeError, "function", lambda: VersionedState(Kept, 2, {}))
        options = task_options(task(state=Plain)(lambda: None))
        self.assertEqual((options.state.spec()["version"], options.task_state.spec()), (1, None))
        self.assertEqual(options.state.spec()["schema"]["required"], ["cursor"])

    def test_values_of_an_earlier_version_are_migrated_once_in_one_commit(self):
        plane = Plane()
        plane.values.update({("task", "total"): (7, 3), ("task", "old"): (1, 1), ("run", "x"): (1, 1)})
        asked = []

        def migrate(values, version):
            asked.append((values, version))
            return {"sum": values["total"], "notes": ["moved"]}

        declared = VersionedState(Counted, 2, migrate)
        context, _ = opened(plane, task_state=declared)
        self.assertEqual(context.task_state.increment("sum"), 8)
        self.assertEqual(context.task_state.get("notes"), ["moved"])
        self.assertEqual(asked, [({"total": 7, "old": 1}, 1)])
        self.assertEqual(plane.writes, ["migrate/task@5#1", "increment/task/sum#1"])
        self.assertEqual(sorted(plane.values), [("run", "x"), *[("task", key) for key in ("holdfast.version", "notes", "sum")]])
        self.assertEqual([entry.key for entry in opened(plane, task_state=declared)[0].task_state.list()], ["notes", "sum"])
        later = opened(plane, task_state=declared)[0].task_state
        self.assertEqual((later.clear(), later.get("sum"), len(asked)), (2, None, 1))
        done = later.transact([later.op.clear(), later.op.increment("sum", 2)])
        self.assertEqual((done[0].cleared, done[1].value), (0, 2))
        self.assertEqual(plane.values["task", "holdfast.version"][0], 2)

    def test_an_asynchronous_body_reads_what_is_migrated(self):
        plane = Plane()
        plane.values["run", "at"] = ("a", 1)

        async def body():
            context, _ = opened(plane, VersionedState(Plain, 3, lambda values, _: {"cursor": values["at"]}), is_async=True)
            context._loop_turns.enter()
            return await context.state.get("cursor"), await context.state.set("tries", 2)

        self.assertEqual(asyncio.run(body()), ("a", 1))

    def test_state_of_newer_code_and_a_migration_that_does_not_fit_are_told(self):
        plane = Plane()
        plane.values["run", "holdfast.version"] = (3, 1)
        state = opened(plane, VersionedState(Plain, 2))[0].state
        with self.assertRaisesRegex(AppError, "of version 3 of its schema, and this code knows 2"):
            state.get("cursor")
        other = Plane()
        other.values["run", "cursor"] = (1, 1)
        wrong = opened(other, VersionedState(Plain, 2, lambda values, _: values))[0].state
        self.assertRaisesRegex(TypeError, 'at "cursor" has to be a text', lambda: wrong.set("tries", 1))
        self.assertEqual(other.writes, [])
        many = opened(other, VersionedState(Wide, 2, lambda *_: {f"k{n}": n for n in range(100)}))
        self.assertRaisesRegex(AppError, "changes 101 keys; 99 are allowed", lambda: many[0].state.get("k1"))

    def test_who_is_slower_finds_it_migrated(self):
        plane = Plane()
        plane.values["run", "at"] = ("a", 1)
        asked = []

        def migrate(values, version):
            asked.append(version)
            plane.values["run", "holdfast.version"] = (2, 1)
            plane.values["run", "cursor"] = ("theirs", 1)
            return {"cursor": "mine"}

        self.assertEqual(opened(plane, VersionedState(Plain, 2, migrate))[0].state.get("cursor"), "theirs")
        self.assertEqual(asked, [1])


Wide = TypedDict("Wide", {f"k{n}": int for n in range(100)})  # type: ignore[misc]


if __name__ == "__main__":
    unittest.main()
