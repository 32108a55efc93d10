"""Faults to catch: what JSON loses silently kept as something else; a refusal that does not say where; a value so deep that
whoever reads it next cannot."""

import dataclasses
import enum
import unittest
from collections import namedtuple
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import PurePosixPath
from uuid import UUID

from holdfast_sdk import limits
from holdfast_sdk.errors import AppError
from holdfast_sdk.framing import json_text
from holdfast_sdk.stored_value import stored_value


@dataclasses.dataclass
class Order:
    id: str
    at: datetime
    parts: list


class Colour(enum.Enum):
    RED = "red"


class Model:
    def __init__(self, value):
        self.value = value

    def model_dump(self):
        return {"value": self.value}


Point = namedtuple("Point", "x y")


class StoredValueTest(unittest.TestCase):
    def test_json_is_kept_as_it_is_and_copied(self):
        value = {"a": [1, 0.5, True, None, "ä€😀"], "b": {}}
        kept = stored_value(value, "It")
        self.assertEqual(kept, value)
        self.assertIsNot(kept["a"], value["a"])

    def test_records_and_moments_become_json(self):
        at = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
        order = Order("17", at, [(1, 2), Point(3, 4)])
        self.assertEqual(
            stored_value([order, Colour.RED, Model({"deep": at})], "It"),
            [
                {"id": "17", "at": "2026-01-31T12:00:00Z", "parts": [[1, 2], {"x": 3, "y": 4}]},
                "red",
                {"value": {"deep": "2026-01-31T12:00:00Z"}},
            ],
        )
        east = timezone(timedelta(hours=2))
        moments = [date(2026, 1, 31), time(12), datetime(2026, 1, 31, 12), datetime(2026, 1, 31, 12, tzinfo=east)]
        texts = ["2026-01-31", "12:00:00", "2026-01-31T12:00:00", "2026-01-31T12:00:00+02:00"]
        self.assertEqual(stored_value(moments, "It"), texts)
        uuid = UUID("12345678123456781234567812345678")
        self.assertEqual(stored_value([uuid, PurePosixPath("a/b")], "It"), [str(uuid), "a/b"])

    def test_what_is_nested_as_deep_as_it_may_be_is_kept_and_one_level_more_is_refused(self):
        deepest = []
        for _ in range(limits.NESTING_LEVELS - 1):
            deepest = [deepest]
        self.assertEqual(json_text(stored_value(deepest, "It")), json_text(deepest))
        Endless = type("Endless", (), {"model_dump": lambda self: {"again": Endless()}})
        for deeper in ([deepest], {"a": [deepest]}, Endless()):
            with self.assertRaises(AppError) as raised:
                stored_value(deeper, "It")
            self.assertEqual(raised.exception.code, "too_large")
            self.assertEqual(str(raised.exception), "It is nested deeper than 500 levels.")

    def test_what_json_cannot_keep_is_refused_with_its_path(self):
        cycle = []
        cycle.append(cycle)
        cases = [
            ({"a": [0, {1}]}, "It.a[1] is a set, which JSON cannot keep."),
            ([b"x"], "It[0] is a bytes, which JSON cannot keep."),
            ({"n": float("nan")}, "It.n is nan, which JSON cannot keep."),
            ([float("inf")], "It[0] is inf, which JSON cannot keep."),
            ({"big": 2**53}, "It.big is a whole number beyond 2**53, which readers of JSON round: return it as text."),
            ({7: 1}, "It is an object with the key 7: JSON has texts for keys."),
            (["a\0b"], "It[0] is text with a NUL character, which JSON cannot keep."),
            (["\ud800"], "It[0] is text with half a surrogate pair, which JSON cannot keep."),
            ({"k\0": 1}, "It is text with a NUL character, which JSON cannot keep."),
            (cycle, "It[0] is a reference to something that contains it, which JSON cannot keep."),
            (Decimal("1.5"), "It is a Decimal, which JSON cannot keep."),
            (Order, "It is a type, which JSON cannot keep."),
        ]
        for value, message in cases:
            with self.subTest(message), self.assertRaises(TypeError) as raised:
                stored_value(value, "It")
            self.assertEqual(str(raised.exception), message)
