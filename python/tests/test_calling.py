"""Faults to catch: an input that does not fit let through; a value given to the wrong parameter; a typing mistake in an
input passed over in silence; an Ork task called otherwise than Ork calls it."""

import enum
import unittest
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from typing import Any, Dict, List, NamedTuple, Optional, Tuple, TypedDict, Union

from holdfast_sdk import AsyncTaskContext, TaskContext, task
from holdfast_sdk.calling import Signature
from holdfast_sdk.errors import AppError

from .recording import context_of


@dataclass
class Part:
    name: str
    count: int = 1


@dataclass
class Order:
    id: str
    due: date
    parts: List[Part] = field(default_factory=list)
    note: Optional[str] = None


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


class Greeting(TypedDict):
    message: str
    at: datetime


class Pair(NamedTuple):
    left: int
    right: int = 0


class Model:
    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    @classmethod
    def model_validate(cls, value):
        if "bad" in value:
            raise ValueError("bad is bad")
        return cls(**value)


class CallingTest(unittest.TestCase):
    def call(self, body, given, logged=None):
        context, calls = context_of()
        positional, named = Signature(body, "main()").bind(given, context)
        context._close()
        lines = [line["text"] for method, params in calls if method == "log.write" for line in params["lines"]]
        self.assertEqual(lines, logged or [])
        return body(*positional, **named)

    def refused(self, body, given, message):
        context, _ = context_of()
        with self.assertRaises(AppError) as raised:
            Signature(body, "main()").bind(given, context)
        self.assertEqual(raised.exception.code, "invalid_input")
        self.assertEqual(str(raised.exception), f"The input does not fit main(): {message}.")

    def test_an_object_gives_each_parameter_its_own(self):
        def main(day: str, count: int = 3, *, loud: bool = False):
            return [day, count, loud]

        self.assertEqual(self.call(main, {"day": "monday", "loud": True}), ["monday", 3, True])
        self.refused(main, {}, '"day" is missing')
        self.refused(main, {"dya": "x"}, '"day" is missing. Did you mean dya?')
        self.refused(main, {"day": 7}, "day has to be a text and is 7")
        self.refused(main, {"day": "x", "count": "7"}, "count has to be a whole number and is '7'")
        self.refused(main, {"day": "x", "count": True}, "count has to be a whole number and is true")
        self.refused(main, [1], "it is a list, and main() takes 3 parameters, so that it has to be an object")

    def test_what_no_parameter_takes_is_left_out_and_said(self):
        def main(day: str, count: int = 3):
            return day

        said = '"cuont" of the input is no parameter of main() and is left out. Did you mean count?'
        self.assertEqual(self.call(main, {"day": "x", "cuont": 7}, [said]), "x")

        def more(day: str, **others: Any):
            return others

        self.assertEqual(self.call(more, {"day": "x", "cuont": 7}), {"cuont": 7})

    def test_one_parameter_may_take_the_whole_object(self):
        def plain(order: dict):
            return order

        self.assertEqual(self.call(plain, {"id": "17"}), {"id": "17"})
        self.assertEqual(self.call(plain, {"order": {"id": "17"}}), {"id": "17"})

        def record(order: Order):
            return order

        given = {"id": "17", "due": "2026-01-31", "parts": [{"name": "bolt", "count": 2}, {"name": "nut"}]}
        order = Order("17", date(2026, 1, 31), [Part("bolt", 2), Part("nut")])
        self.assertEqual(self.call(record, given), order)
        self.assertEqual(self.call(record, {"order": given}), order)
        self.refused(record, {"id": "17"}, "it.due is missing (Order needs it)")
        self.refused(record, {**given, "prats": []}, "it has 'prats', which Order does not. Did you mean parts?")
        self.refused(record, {**given, "parts": [{"name": 1}]}, "it.parts[0].name has to be a text and is 1")
        self.refused(record, {**given, "due": "soon"}, "it.due has to be a date such as 2026-01-31 and is 'soon'")
        self.refused(record, 7, "it has to be an object (Order) and is 7")

        def anything(value):
            return value

        self.assertEqual(self.call(anything, {"a": 1}), {"a": 1})
        self.assertEqual(self.call(anything, [1]), [1])

        def model(value: Model):
            return value.fields

        self.assertEqual(self.call(model, {"a": 1}), {"a": 1})
        self.refused(model, {"bad": 1}, "it makes no Model: bad is bad")

        def text(name: str = "world"):
            return name

        self.assertEqual(self.call(text, {}), "world")
        self.assertEqual(self.call(text, None), "world")
        self.assertEqual(self.call(text, "Ada"), "Ada")

    def test_annotations_are_followed(self):
        cases = [
            (datetime, "2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=timezone.utc)),
            (Optional[int], None, None),
            (Union[int, str], "7", "7"),
            (float, 3, 3.0),
            (int, 3.0, 3),
            (Size, "small", Size.SMALL),
            (Dict[str, Part], {"a": {"name": "x"}}, {"a": Part("x")}),
            (Tuple[int, ...], [1, 2], (1, 2)),
            (Tuple[str, date], ["a", "2026-01-31"], ("a", date(2026, 1, 31))),
            (Pair, {"left": 1}, Pair(1, 0)),
            (Pair, [1, 2], Pair(1, 2)),
            (Greeting, {"message": "hi"}, {"message": "hi"}),
            (List[Any], [1, "a", None], [1, "a", None]),
            ("Unknown", {"a": 1}, {"a": 1}),
        ]
        for wanted, given, expected in cases:
            with self.subTest(str(wanted)):

                def main(first, other=None):
                    return first

                main.__annotations__["first"] = wanted
                self.assertEqual(self.call(main, {"first": given}), expected)

        def sized(size: Size, other: int = 0):
            return size

        self.refused(sized, {"size": "big"}, "size has to be one of 'small', 'large' and is 'big'")

    def test_a_context_is_given_by_its_annotation_or_its_name(self):
        def named(ctx, day: str):
            return type(ctx), day

        def annotated(day: str, context: TaskContext):
            return type(context), day

        def alone(ctx: TaskContext):
            return type(ctx), "x"

        for body in (named, annotated, alone):
            self.assertEqual(self.call(body, {"day": "x"} if body is not alone else {}), (TaskContext, "x"))

        async def wrong(ctx: TaskContext):
            return None

        with self.assertRaisesRegex(TypeError, "async: its context is AsyncTaskContext, not TaskContext"):
            Signature(wrong, "wrong()")

        def wrong_too(ctx: AsyncTaskContext):
            return None

        with self.assertRaisesRegex(TypeError, "not async: its context is TaskContext"):
            Signature(wrong_too, "wrong_too()")

    def test_positional_only_parameters_are_given_by_their_place(self):
        def main(day: str, ctx: TaskContext, /, count: int = 1):
            return day, count

        self.assertEqual(self.call(main, {"day": "x", "count": 2}), ("x", 2))

    def test_a_task_may_ask_for_plain_json(self):
        @task(convert=False)
        def main(day: date, count: int = 1):
            return day

        self.assertEqual(self.call(main, {"day": "2026-01-31"}), "2026-01-31")

        @task
        def converted(day: date):
            return day

        self.assertEqual(self.call(converted, {"day": "2026-01-31"}), date(2026, 1, 31))

    def test_what_cannot_be_a_body_is_refused_when_its_module_is_loaded(self):
        def generator():
            yield 1

        with self.assertRaisesRegex(TypeError, "generator is a generator"):
            task(generator)
        with self.assertRaisesRegex(TypeError, "not a function"):
            task(7)
