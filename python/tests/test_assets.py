"""Assets as Python bodies have them. Faults to catch: a message that differs between languages; an event that is told again because the body
began again; a watermark or an event that JSON cannot keep and that is sent; a page of events that is taken for all of them."""

import asyncio
import math
import unittest
from concurrent.futures import Future

from holdfast_sdk.state_keys import changes_hash, write_name

from .golden import FIXTURES
from .recording import context_of

MARK = "holdfast.state"


class Plane:
    """A control plane with one asset, whose events come two a page."""

    def __init__(self):
        self.records = {}
        self.marks = {}
        self.events = []

    def answer(self, method, params):
        answer = Future()
        answer.set_result(self.act(method, params))
        return answer

    def act(self, method, params):
        if method == "asset.get":
            found = [(name, self.marks[name]) for name in params["watermarks"] if name in self.marks]
            times = {"version": 1, "writer": None, "createdAt": "t", "updatedAt": "t", "expiresAt": None}
            return {"id": "orders", "uri": None, "watermarks": [{"key": name, "value": value, **times} for name, value in found]}
        if method == "asset.events":
            after = [event for event in self.events if event["number"] > params["after"]]
            return {"events": after[: min(2, params["limit"])]}
        if method != "state.transact":
            return {}
        if params["key"] not in self.records:
            results = [self.apply(op) for op in params["ops"]]
            self.records[params["key"]] = {MARK: "done", "results": results, "hash": changes_hash(params["ops"])}
        return {"recorded": True, "value": self.records[params["key"]]}

    def apply(self, op):
        if op["op"] == "emit":
            return {"version": 0, **self.tell(op["payload"], op.get("key"))}
        if op["op"] != "advance":
            return {"version": 1, "value": 1}
        if not op.get("backwards") and op["key"] in self.marks and self.marks[op["key"]] >= op["to"]:
            return {"version": 1, "value": self.marks[op["key"]], "changed": False}
        self.marks[op["key"]] = op["to"]
        told = self.tell(op["event"]["payload"], op["event"].get("key")) if "event" in op else {}
        return {"version": 1, "value": op["to"], "changed": True, **told}

    def tell(self, payload, key):
        known = [event["number"] for event in self.events if key is not None and event["key"] == key]
        if known:
            return {"number": known[0], "emitted": False}
        number = len(self.events) + 1
        self.events.append({"number": number, "key": key, "payload": payload, "at": "t", "run": None})
        return {"number": number, "emitted": True}

    def context(self, is_async=False):
        steps = [{"key": key, "value": value} for key, value in self.records.items()]
        return context_of(steps=steps, answer=self.answer, is_async=is_async)


class AssetsTest(unittest.TestCase):
    def test_what_the_verbs_send_and_how_it_is_named_is_golden(self):
        context, calls = Plane().context()
        orders = context.asset("orders")
        golden = FIXTURES["assetChanges"]
        op = orders.op
        context.state.transact(
            [
                op.advance("mark", ["2026-01-31", 7], event={"files": ["ä"]}, key="day 31"),
                op.advance("seen", 2.5, backwards=True),
                op.emit(None, key="k"),
                op.emit({"rows": 3}),
                op.set("rows", 3),
                context.state.op.increment("n"),
            ]
        )
        self.assertEqual(calls, [("state.transact", {"key": f"{golden['name']}#1", "ops": golden["ops"]})])
        self.assertEqual(changes_hash(golden["ops"]), golden["hash"])
        orders.emit(None)
        orders.emit(None, key="k")
        orders.advance("other", 1)
        names = [params["key"] for method, params in calls[1:]]
        self.assertEqual(names[:2], ["emit/asset:orders#1", f"{write_name('emit', 'asset:orders', 'k', [golden['ops'][2]])}#1"])
        self.assertRegex(names[2], r"^advance/asset:orders/other@[0-9a-f]{8}#1$")

    def test_a_body_that_begins_again_tells_once_and_goes_on_from_its_watermark(self):
        plane = Plane()

        def body(context, until):
            orders = context.asset("orders")
            for at in range(orders.watermark(default=0) + 1, until + 1):
                orders.advance("mark", at, event={"at": at})
            return orders.emit("done").number

        self.assertEqual(body(plane.context()[0], 3), 4)
        self.assertEqual(body(plane.context()[0], 5), 4)
        self.assertEqual([event["payload"] for event in plane.events], [{"at": 1}, {"at": 2}, {"at": 3}, "done", {"at": 4}, {"at": 5}])

    def test_each_verb_answers_what_it_did(self):
        context, calls = Plane().context()
        orders = context.asset("orders")
        self.assertEqual((orders.watermark(), orders.watermark("other", 7)), (None, 7))
        moved = orders.advance("mark", "b", event={"n": 1}, key="k")
        self.assertEqual((moved.changed, moved.value, moved.event), (True, "b", 1))
        stayed = orders.advance("mark", "a", event={"n": 2})
        self.assertEqual((stayed.changed, stayed.value, stayed.event), (False, "b", None))
        self.assertEqual(orders.advance("mark", "a", backwards=True).value, "a")
        again = orders.emit({"n": 1}, key="k")
        self.assertEqual((again.number, again.existing), (1, True))
        for n in range(4):
            orders.emit({"n": n})
        self.assertEqual([event.number for event in orders.events()], [1, 2, 3, 4, 5])
        self.assertEqual([event.number for event in orders.events(after=1, limit=3)], [2, 3, 4])
        self.assertEqual(orders.increment("rows"), 1)
        self.assertEqual(calls[-1][1]["ops"][0]["scope"], {"kind": "asset", "id": "orders"})

    def test_what_json_cannot_keep_is_refused_and_nothing_is_sent(self):
        context, calls = Plane().context()
        orders = context.asset("orders")
        for bad in (math.nan, math.inf, {1}, "a\0"):
            self.assertRaises(TypeError, lambda: orders.emit({"deep": [bad]}))
            self.assertRaises(TypeError, lambda: orders.advance("mark", bad))
        for bad in (None, True, {"a": 1}, [], [[1]], list(range(17))):
            self.assertRaises(TypeError, lambda: orders.advance("mark", bad))
        for name in ("", "x" * 513, "a\0", 7):
            self.assertRaises(TypeError, lambda: orders.advance(name, 1))
            self.assertRaises(TypeError, lambda: orders.watermark(name))
            self.assertRaises(TypeError, lambda: orders.emit(1, key=name))
        self.assertRaises(TypeError, lambda: orders.advance("mark", 1, key="k"))
        for name in ("", "x" * 2_001, "\ud800", None):
            self.assertRaises(TypeError, lambda: context.asset(name))
        for bad in (-1, 1.5, True):
            self.assertRaises(ValueError, lambda: orders.events(after=bad))
        self.assertRaises(ValueError, lambda: orders.events(limit=1_001))
        self.assertEqual(calls, [])

    def test_asynchronous_bodies_have_the_same(self):
        plane = Plane()

        async def body():
            context, _ = plane.context(is_async=True)
            context._loop_turns.enter()
            orders = context.asset("orders")
            moved = await orders.advance("mark", 7, event={"n": 1})
            told = await orders.emit({"n": 2})
            await context.state.transact([orders.op.emit(3), context.state.op.set("a", 1)])
            events = [event.payload for event in await orders.events()]
            return [moved.event, told.number, await orders.watermark(), await orders.get("rows", 9), events]

        plane.act_state = plane.act
        plane.act = lambda method, params: {"values": []} if method == "state.get" else plane.act_state(method, params)
        self.assertEqual(asyncio.run(body()), [1, 2, 7, 9, [{"n": 1}, {"n": 2}, 3]])


if __name__ == "__main__":
    unittest.main()
