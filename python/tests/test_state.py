"""State as Python bodies have it. Faults to catch: a write that takes effect again because the body began again, or is answered by the
record of an earlier value; NaN that is let through on one path; a name that differs between languages."""

import asyncio
import math
import unittest
from concurrent.futures import Future
from datetime import timedelta

from holdfast_sdk.errors import AppError
from holdfast_sdk.state_keys import canonical_text, changes_hash, write_name

from .golden import FIXTURES
from .recording import context_of

MARK = "holdfast.state"


class Plane:
    """A control plane with state in memory."""

    def __init__(self):
        self.values = {}
        self.records = {}
        self.writes = []

    def answer(self, method, params):
        answer = Future()
        try:
            answer.set_result(self.act(method, params))
        except AppError as error:
            answer.set_exception(error)
        return answer

    def act(self, method, params):
        if method == "state.get":
            found = [(key, self.values.get((params["scope"]["kind"], key))) for key in params["keys"]]
            return {"values": [view(key, each) for key, each in found if each is not None]}
        if method == "state.list":
            kind = params["scope"]["kind"]
            own = sorted(key for of, key in self.values if of == kind and key.startswith(params.get("prefix", "")))
            page = [key for key in own if key > params.get("after", "")]
            more = len(page) > 2
            return {"values": [view(key, self.values[kind, key]) for key in page[:2]], "cursor": page[1] if more else None}
        if method == "step.commit":
            return {"recorded": True, "value": params["value"]}
        if method != "state.transact":
            return {}
        key = params["key"]
        if key in self.records:
            return {"recorded": False, "value": self.records[key]}
        results = [self.apply(op) for op in params["ops"]]
        self.writes.append(key)
        more = {"value": params["value"]} if "value" in params else {}
        self.records[key] = {MARK: "done", "results": results, "hash": changes_hash(params["ops"]), **more}
        return {"recorded": True, "value": self.records[key]}

    def apply(self, op):
        kind = op["scope"]["kind"]
        if op["op"] == "clear":
            gone = [each for each in self.values if each[0] == kind and each[1].startswith(op.get("prefix", ""))]
            for each in gone:
                del self.values[each]
            return {"version": 0, "cleared": len(gone)}
        place = (kind, op["key"])
        value, version = self.values.get(place, (None, 0))
        if "ifVersion" in op and op["ifVersion"] != version:
            raise AppError("state_conflict", "another version")
        if op["op"] == "delete":
            self.values.pop(place, None)
            return {"version": 0}
        if op["op"] == "set":
            made, more = op["value"], {}
        elif op["op"] == "increment":
            made = (value or 0) + op["by"]
            more = {"value": made}
        elif op["op"] == "append":
            made = [*(value or []), op["value"]]
            more = {"length": len(made)}
        else:
            changed = value is None or op["value"] > value
            made = op["value"] if changed else value
            more = {"value": made, "changed": changed}
        self.values[place] = (made, version + 1)
        return {"version": version + 1, **more}

    def context(self, is_async=False):
        steps = [{"key": key, "value": value} for key, value in self.records.items()]
        return context_of(steps=steps, answer=self.answer, is_async=is_async)


def view(key, found):
    value, version = found
    times = {"createdAt": "t", "updatedAt": "t", "expiresAt": None}
    return {"key": key, "value": value, "version": version, "writer": {"run": "run-1", "epoch": 5}, **times}


class StateTest(unittest.TestCase):
    def test_names_are_the_golden_ones(self):
        for golden in FIXTURES["stateNames"]:
            written = write_name(golden["verb"], golden["scope"], golden["name"], golden.get("args"))
            self.assertEqual(written, golden["written"])

    def test_numbers_are_written_as_in_javascript(self):
        texts = {1.0: "1", -0.0: "0", 0.1: "0.1", 1e21: "1e+21", 1.5e-7: "1.5e-7", 0.00001: "0.00001", 1e16: "10000000000000000"}
        self.assertEqual({number: canonical_text(number) for number in texts}, texts)

    def test_what_the_verbs_send_is_golden(self):
        plane = Plane()
        context, calls = plane.context()
        plane.values["run", "cursor"] = ("x", 2)
        own, of_task = context.state.op, context.task_state.op
        context.state.transact(
            [
                own.set("cursor", {"at": [7, None]}, if_version=2, retention="never"),
                own.delete("a/b"),
                of_task.clear("old/"),
                of_task.increment("n", 2.5),
                own.append("l", "ä"),
                of_task.set_if_max("mark", "2026-01-31"),
            ],
            as_="mark",
        )
        golden = dict(FIXTURES["methods"]["state.transact"]["params"])
        del golden["value"]
        self.assertEqual(calls, [("state.transact", golden)])
        self.assertEqual(plane.records["mark"]["hash"], FIXTURES["methods"]["state.transact"]["result"]["value"]["hash"])

    def test_each_verb_answers_what_it_did(self):
        context, _ = Plane().context()
        state = context.state
        self.assertEqual((state.get("a"), state.get("a", 7), state.entry("a")), (None, 7, None))
        self.assertEqual((state.set("a", 1), state.set("a", None)), (1, 2))
        self.assertEqual((state.get("a", 7), state.entry("a").version, state.entry("a").writer.run), (None, 2, "run-1"))
        self.assertEqual((state.increment("n"), state.increment("n", 2.5)), (1, 3.5))
        self.assertEqual((state.append("l", "a"), state.append("l", None)), (1, 2))
        self.assertEqual((state.set_if_max("m", "b"), state.set_if_max("m", "a")), (True, False))
        self.assertEqual((state.update("u", lambda n: (n or 1) * 2), state.update("u", lambda n: (n or 1) * 2)), (2, 4))
        self.assertEqual([entry.key for entry in state.list()], ["a", "l", "m", "n", "u"])
        state.delete("a")
        self.assertEqual((state.clear("l"), state.clear(), state.list(), context.task_state.list()), (1, 3, [], []))
        with self.assertRaises(AppError) as refused:
            state.set("a", 1, if_version=7)
        self.assertEqual(refused.exception.code, "state_conflict")

    def test_what_json_cannot_keep_is_refused_and_nothing_is_sent(self):
        context, calls = Plane().context()
        state = context.state
        for bad in (math.nan, math.inf, -math.inf, {1}, 2**60, "a\0"):
            for act in (
                lambda: state.set("a", bad),
                lambda: state.set("a", {"deep": [bad]}),
                lambda: state.append("a", bad),
                lambda: state.increment("a", bad),
                lambda: state.set_if_max("a", bad),
                lambda: context.task_state.op.set("a", bad),
            ):
                self.assertRaises(TypeError, act)
            self.assertRaises(TypeError, lambda: state.update("u", lambda _: bad))
        with self.assertRaisesRegex(TypeError, r'The value of ctx\.state at "a"\.deep\[0\] is nan'):
            state.set("a", {"deep": [math.nan]})
        for key in ("", "x" * 513, "😀" * 257, "a\0", "\ud800", 7, "holdfast.version"):
            self.assertRaises(TypeError, lambda: state.get(key))
            self.assertRaises(TypeError, lambda: state.set(key, 1))
        for retention in ("soon", "-1h", 5, -1, True, timedelta(0), "99999999d"):
            self.assertRaises(ValueError, lambda: state.set("a", 1, retention=retention))
        self.assertEqual([method for method, _ in calls if method == "state.transact"], [])

    def test_a_body_that_begins_again_writes_once_and_goes_on_from_what_it_reads(self):
        plane = Plane()

        def body(context, until):
            for at in range(context.state.get("cursor", 0), until):
                context.task_state.increment("done", as_=f"done {at}")
                context.state.set("cursor", at + 1)
            context.state.update("runs", lambda n: (n or 0) + 1)
            return context.state.increment("twice"), context.state.increment("twice")

        self.assertEqual(body(plane.context()[0], 3), (1, 2))
        self.assertEqual(body(plane.context()[0], 5), (1, 2))
        self.assertEqual((plane.values["run", "cursor"][0], plane.values["task", "done"][0]), (5, 5))
        self.assertEqual(plane.values["run", "runs"], (1, 1))
        self.assertEqual(len(plane.writes), len(set(plane.writes)))

    def test_a_name_used_for_other_changes_is_answered_by_its_record_with_a_warning(self):
        plane = Plane()
        plane.context()[0].state.set("a", 1, as_="mark")
        context, calls = plane.context()
        self.assertEqual(context.state.set("a", 2, as_="mark"), 1)
        self.assertEqual(plane.values["run", "a"], (1, 1))
        context.log._close()
        [line] = [line for method, params in calls if method == "log.write" for line in params["lines"]]
        self.assertIn('"mark" is recorded with other changes', line["text"])
        context.step("step", lambda: 1)
        self.assertRaisesRegex(RuntimeError, "is the key of a step", lambda: context.state.set("a", 1, as_="step"))
        self.assertRaisesRegex(RuntimeError, "write of state", lambda: context.step("mark", lambda: 1))
        inside = lambda: context.step("inside", lambda: context.state.set("b", 1))  # noqa: E731
        self.assertRaisesRegex(RuntimeError, 'inside of the step "inside"', inside)
        self.assertEqual(context.step("named", lambda: context.state.set("b", 1, as_="named write")), 1)

    def test_an_update_is_asked_again_where_somebody_else_wrote(self):
        plane = Plane()
        context, _ = plane.context()
        seen = []

        def once_more(value):
            seen.append(value)
            if len(seen) == 1:
                plane.values["run", "n"] = (10, 1)
            return (value or 0) + 1

        self.assertEqual(context.state.update("n", once_more), 11)
        self.assertEqual((seen, plane.values["run", "n"]), ([None, 10], (11, 2)))

    def test_asynchronous_bodies_have_the_same(self):
        plane = Plane()

        async def body():
            context, _ = plane.context(is_async=True)
            context._loop_turns.enter()
            state = context.state
            answers = [await state.set("a", 1), await state.get("a"), await state.increment("n"), await state.append("l", 1)]
            answers += [await state.set_if_max("m", 1), await context.task_state.get("a"), (await state.entry("a")).version]

            async def later(value):
                await asyncio.sleep(0)
                return (value or 0) + 1

            answers += [await state.update("u", later), [each.key for each in await state.list("l")]]
            await asyncio.gather(*(state.increment("n") for _ in range(5)))
            done = await state.transact([state.op.increment("n"), context.task_state.op.set("b", 1)])
            answers += [done[0].value, await state.delete("a"), await state.clear()]
            return answers

        first = asyncio.run(body())
        self.assertEqual(first, [1, 1, 1, 1, True, None, 1, 1, ["l"], 7, None, 4])
        writes = list(plane.writes)
        asyncio.run(body_of_async(plane))
        self.assertEqual(plane.writes, writes)

    def test_a_plain_body_is_told_that_its_update_is_asynchronous(self):
        context, _ = Plane().context()

        async def later(value):
            return value

        self.assertRaisesRegex(TypeError, "make the body async", lambda: context.state.update("u", later))


async def body_of_async(plane):
    """Begins again, as far as its first write."""
    context, _ = plane.context(is_async=True)
    context._loop_turns.enter()
    await context.state.set("a", 1)


if __name__ == "__main__":
    unittest.main()
