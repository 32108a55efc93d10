"""What a body that waits sees, asynchronous or not. Faults to catch: an effect that happens twice because the body began again; a
suspension that ``except``, ``finally``, a context manager or a generator sees; a body that never wakes; waits of one turn that
travel apart; a failure that is kept over tries."""

import asyncio
import threading
import unittest
from dataclasses import dataclass

from holdfast_sdk import AppError, CallError, FatalError, RaceResult, WaitTimedOut

from .golden import FIXTURES
from .waiting import PATIENCE_S, World, in_threads, noting

# Each verb that does something once or waits, of both kinds of context: what it does, and the keys at which it may be cut off.


def sync_verbs(effects):
    return {
        "step": (lambda ctx: ctx.step("key", lambda: effects.append(1)), ["key"]),
        "sleep": (lambda ctx: ctx.sleep("key", "1h"), ["key"]),
        "call": (lambda ctx: ctx.call("key", "effect", {"n": 1}), ["key"]),
        "map": (lambda ctx: ctx.map("key", [1, 2], "effect", item_key=str), ["key"]),
        "signal": (lambda ctx: ctx.wait_for_signal("key", name="go"), ["key"]),
        "start": (lambda ctx: ctx.start("key", "effect", {}), ["key"]),
        "all": (lambda ctx: ctx.all([ctx.open.call("key", "effect"), ctx.open.sleep("other", 60)]), ["key"]),
        "race": (
            lambda ctx: ctx.race("race", {"call": ctx.open.call("key", "effect"), "time": ctx.open.sleep("other", 60)}),
            ["key", "race"],
        ),
    }


def async_verbs(effects):
    verbs = sync_verbs(effects)
    verbs["all"] = (lambda ctx: ctx.all([ctx.call("key", "effect"), ctx.sleep("other", 60)]), ["key"])
    members = {"call": lambda ctx: ctx.call("key", "effect"), "time": lambda ctx: ctx.sleep("other", 60)}
    race = lambda ctx: ctx.race("race", {name: member(ctx) for name, member in members.items()})  # noqa: E731
    verbs["race"] = (race, ["key", "race"])
    return verbs


class MatrixTest(unittest.TestCase):
    def check(self, kind, name, crash):
        effects, answers = [], []
        verb, _ = (async_verbs if kind == "async" else sync_verbs)(effects)[name]
        crashes = [] if crash is None else [crash]
        signals = {"go": [{"by": "Ada"}]}
        world = World({"effect": lambda given: effects.append(1) or "done"}, signals, crashes)

        def main(ctx):
            answers.append(verb(ctx))
            ctx.sleep("afterwards", "1h")
            return "end"

        async def main_async(ctx):
            answers.append(await verb(ctx))
            await ctx.sleep("afterwards", "1h")
            return "end"

        outcome = world.run(main_async if kind == "async" else main)
        self.assertEqual(outcome.params, {"output": "end"})
        self.assertEqual(world.crashes, [])
        self.assertGreaterEqual(len(answers), 2)
        for answer in answers:
            self.assertEqual(answer, answers[0])
        once = {"step": 1, "sleep": 0, "call": 1, "map": 2, "signal": 0, "start": 0, "all": 1, "race": 1}[name]
        # A step's function may run again until its record commits, and only then.
        self.assertEqual(len(effects), 2 if (name, crash) == ("step", "before:key") else once)
        self.assertLessEqual(world.called.count("key"), 2 if (name, crash) == ("start", "after:key") else 1)

    def test_each_verb_has_one_effect_and_one_answer_though_the_body_starts_again_or_its_process_dies(self):
        for kind, verbs in (("sync", sync_verbs([])), ("async", async_verbs([]))):
            for name, (_, keys) in verbs.items():
                for crash in [None, *(f"{when}:{key}" for key in keys for when in ("before", "after"))]:
                    with self.subTest(f"{kind} {name} {crash}"):
                        self.check(kind, name, crash)


class SuspensionTest(unittest.TestCase):
    def test_no_except_and_no_finally_of_a_plain_body_sees_it(self):
        seen = []

        def numbers(ctx):
            try:
                yield 1
                ctx.sleep("night", "8h")
                yield 2
            finally:
                seen.append("generator closed")

        def main(ctx):
            seen.append(f"start {ctx.epoch}")
            with noting(seen, "with"):
                return sum(numbers(ctx))

        outcome = World().run(main)
        self.assertEqual(outcome.params, {"output": 3})
        self.assertEqual(seen, ["start 1", "start 2", "generator closed", "with finally"])

    def test_no_except_and_no_finally_of_an_asynchronous_body_sees_it(self):
        seen = []

        async def numbers(ctx):
            try:
                yield 1
                await ctx.sleep("night", "8h")
                yield 2
            finally:
                seen.append("generator closed")

        async def beside():
            try:
                await asyncio.Event().wait()
            except BaseException:
                seen.append("beside caught")
                raise

        async def main(ctx):
            seen.append(f"start {ctx.epoch}")
            task = asyncio.ensure_future(beside())
            with noting(seen, "with"):
                total = sum([number async for number in numbers(ctx)])
            task.cancel()
            await asyncio.wait([task])
            return total

        outcome = World().run(main)
        self.assertEqual(outcome.params, {"output": 3})
        self.assertEqual(seen, ["start 1", "start 2", "generator closed", "with finally", "beside caught"])

    def test_what_is_asked_for_in_one_turn_travels_together(self):
        async def together(ctx):
            async def deep(key):
                await asyncio.sleep(0)
                return await ctx.sleep(key, 1)

            await asyncio.gather(ctx.sleep("a", 1), deep("b"), asyncio.create_task(ctx.sleep("c", 1)))

        world = World()
        world.run(together)
        first = world.said[0][1]
        self.assertEqual(sorted(wait["key"] for wait in first["waits"]), ["a", "b", "c"])
        self.assertEqual(sorted(first["groups"]), [["a"], ["b"], ["c"]])

        def all_of_them(ctx):
            ctx.all([ctx.open.sleep("a", 1), ctx.open.all([ctx.open.sleep("b", 2), ctx.open.sleep("c", 3)])])

        world = World()
        world.run(all_of_them)
        self.assertEqual(world.methods, ["run.suspend"])
        self.assertEqual(world.said[0][1]["groups"], [["a", "b", "c"]])

    def test_the_messages_are_the_golden_ones(self):
        golden = {name: FIXTURES["methods"][name]["params"] for name in ("wait.open", "run.enqueue")}

        is_opened = threading.Event()

        async def main(ctx):
            ctx.sleep("nap", "1m")
            ctx.call("load", "load", {"part": 1})
            await ctx.step("beside", lambda: asyncio.get_running_loop().run_in_executor(None, is_opened.wait, PATIENCE_S))
            await ctx.start("follow-up", "report", {"day": "monday"}, run_key="report-monday")
            ctx.map("parts", [{"region": "eu"}], "part", item_key=lambda item: item["region"], concurrency=2)
            await ctx.wait_for_signal("go", name="approved", timeout="1h")

        world = World({"load": lambda _: 1, "part": lambda _: 1}, {"approved": [1]}, heard={"wait.open": is_opened.set})
        world.run(main)
        said = {method: params for method, params in world.said if method in golden}
        self.assertEqual(said, golden)
        waits = FIXTURES["methods"]["run.suspend"]["params"]["waits"]
        suspend = next(params for method, params in world.said if method == "run.suspend")
        self.assertEqual(sorted(suspend["waits"], key=lambda each: each["key"]), sorted(waits, key=lambda each: each["key"]))

    def test_a_wait_is_not_suspended_while_a_step_is_under_way(self):
        async def beside(ctx):
            async def work():
                for _ in range(200):
                    await asyncio.sleep(0)
                return ctx.epoch

            return await asyncio.gather(ctx.sleep("nap", "1h"), ctx.step("work", work))

        self.assertEqual(World().run(beside).params, {"output": [None, 1]})

        def threads(ctx):
            begun = threading.Event()
            worked = in_threads([lambda: ctx.step("work", lambda: begun.set() or is_opened.wait(PATIENCE_S))])
            if ctx.epoch == 1:
                begun.wait()
            ctx.sleep("nap", "1h")
            return worked()[0]

        is_opened = threading.Event()
        world = World(heard={"wait.open": is_opened.set})
        self.assertEqual(world.run(threads).params, {"output": True})
        self.assertEqual(world.methods, ["wait.open", "step.commit", "run.suspend"])

    def test_threads_of_a_body_call_and_wait_beside_each_other(self):
        def main(ctx):
            return in_threads([lambda n=n: ctx.call(f"call-{n}", "double", n) for n in range(5)])()

        world = World({"double": lambda n: 2 * n})
        self.assertEqual(world.run(main).params, {"output": [0, 2, 4, 6, 8]})
        self.assertEqual(sorted(world.called), [f"call-{n}" for n in range(5)])

    def test_what_was_logged_and_reported_goes_before_the_suspension(self):
        def main(ctx):
            for number in range(50):
                ctx.log.info(f"line {number}")
                ctx.progress(number)
            ctx.sleep("nap", 1)

        world = World(unanswered=("log.write", "progress.report"))
        world.run(main)
        before = world.said[: [method for method, _ in world.said].index("run.suspend")]
        lines = [line["text"] for method, params in before if method == "log.write" for line in params["lines"]]
        self.assertEqual(lines, [f"line {number}" for number in range(50)])
        self.assertEqual([params["done"] for method, params in before if method == "progress.report"][-1], 49)

    def test_while_it_is_on_its_way_no_step_begins_and_no_failure_is_heard(self):
        is_asked, is_met = threading.Event(), threading.Event()
        seen = []

        async def napping(ctx):
            try:
                await ctx.sleep("nap", "1h")
            finally:
                seen.append(f"finally {ctx.epoch}")

        async def stepping(ctx):
            nap = asyncio.ensure_future(napping(ctx))
            while not is_asked.is_set():
                await asyncio.sleep(0)
            step = asyncio.ensure_future(ctx.step("late", lambda: seen.append(f"step {ctx.epoch}")))
            await asyncio.sleep(0)
            is_met.set()
            await step
            await nap

        async def failing(ctx):
            nap = asyncio.ensure_future(napping(ctx))
            while not is_asked.is_set():
                await asyncio.sleep(0)
            if ctx.epoch == 1:
                asyncio.get_running_loop().call_soon(is_met.set)
                raise ValueError("unheard")
            await nap

        for body, end in ((stepping, ["step 2", "finally 2"]), (failing, ["finally 2"])):
            for each in (is_asked, is_met, seen):
                each.clear()
            world = World(heard={"run.suspend": lambda: is_asked.set() or is_met.wait(PATIENCE_S)})
            self.assertEqual(world.run(body).method, "run.succeed")
            self.assertEqual(seen, end)


def broken(_):
    raise ValueError("it is broken")


class OutcomeTest(unittest.TestCase):
    def test_what_fails_raises_what_it_was_and_is_called_again_by_the_next_try(self):
        errors = []

        def main(ctx):
            ctx.call("good", "good")
            try:
                return ctx.call("broken", "broken")
            except CallError as error:
                errors.append(error)
                raise

        world = World({"broken": broken, "good": lambda _: 1})
        outcome = world.run(main)
        error = outcome.params["error"]
        self.assertEqual((outcome.method, error["code"], error["details"]), ("run.fail", "child_failed", {"runId": "run-of-broken"}))
        self.assertEqual((errors[0].status, errors[0].error["message"]), ("failed", "it is broken"))
        world.attempt = 2
        world.definitions["broken"] = lambda _: "whole"
        self.assertEqual(world.run(main).params, {"output": "whole"})
        self.assertEqual(world.called, ["good", "broken", "broken"])

    def test_who_fails_with_it_says_what_that_runs_error_says_to_do(self):
        def refused(_):
            raise AppError("too_large", "It is large.", hint="Make it small.")

        outcome = World({"refused": refused}).run(lambda ctx: ctx.call("it", "refused"))
        self.assertEqual(outcome.params["error"]["hint"], "Make it small.")

    def test_who_comes_too_late_has_timed_out(self):
        def late(_):
            raise AppError("expired", "too late")

        async def main(ctx):
            for wait in (ctx.wait_for_signal("signal", timeout="1h"), ctx.call("call", "late", timeout=60)):
                try:
                    await wait
                except WaitTimedOut as error:
                    ctx.log.info(error.key)
            await ctx.call("other", "late")

        world = World({"late": late})
        outcome = world.run(main)
        self.assertEqual(outcome.params["error"]["code"], "child_failed")
        self.assertEqual([line["text"] for line in world.lines[-2:]], ["signal", "call"])

        def uncaught(ctx):
            ctx.wait_for_signal("signal", timeout="1h")

        self.assertEqual(World().run(uncaught).params["error"]["code"], "wait_timed_out")

    def test_what_is_refused_raises_alone_and_typed(self):
        def main(ctx):
            other = ctx.open.call("other", "double", 2)
            try:
                ctx.call("gone", "nobody")
            except AppError as error:
                return [error.code, error.hint, other.result()]

        world = World({"double": lambda n: 2 * n})
        world.refuse["gone"] = {"code": "not_found", "message": "There is no nobody.", "hint": "Apply it."}
        self.assertEqual(world.run(main).params, {"output": ["not_found", "Apply it.", 4]})

    def test_a_message_that_the_control_plane_refuses_is_an_error_of_its_waits(self):
        class Full(World):
            def answer(self, method, params):
                if method == "run.suspend":
                    raise AppError("limit_exceeded", "too many waits")
                return super().answer(method, params)

        async def main(ctx):
            try:
                await ctx.sleep("nap", 1)
            except AppError as error:
                return error.code

        self.assertEqual(Full().run(main).params, {"output": "limit_exceeded"})

    def test_an_activation_that_is_not_wanted_any_more_hears_nothing(self):
        class Ended(World):
            def answer(self, method, params):
                if method == "run.suspend":
                    self.activation.end.put(None)
                    raise AppError("run_ended", "cancelled")
                return super().answer(method, params)

        for code in (FatalError, BaseException):
            seen = []

            def main(ctx):
                seen.append(ctx.epoch)
                if ctx.epoch == 2:
                    return "again"
                try:
                    ctx.sleep("nap", 1)
                except code:
                    seen.append("caught")
                finally:
                    seen.append("finally")

            self.assertEqual(Ended().run(main).params, {"output": "again"})
            self.assertEqual(seen, [1, 2])

    def test_a_large_output_is_fetched_and_while_the_store_is_away_all_is_said_again(self):
        def main(ctx):
            return len(ctx.call("large", "large"))

        world = World({"large": lambda _: "x" * 5_000})
        world.away = 1
        self.assertEqual(world.run(main).params, {"output": 5_000})
        world.away = 1
        self.assertEqual(world.run(main).params, {"output": 5_000})
        self.assertEqual(world.methods, ["run.suspend", "run.suspend", "output.get", "output.get", "output.get"])

    def test_a_race_records_its_winner_and_drops_the_others(self):
        async def main(ctx):
            waits = {"slow": ctx.sleep("slow", "2h"), "fast": ctx.all([ctx.sleep("fast", "1h")])}
            first = await ctx.race("first", waits)
            try:
                await waits["slow"]
            except RuntimeError as error:
                ctx.log.info(error)
            await ctx.sleep("later", "3h")
            return first

        world = World()
        self.assertEqual(world.run(main).params, {"output": {"winner": "fast", "value": [None]}})
        settles = [settle for _, params in world.said for settle in params.get("settles", ())]
        self.assertEqual(settles, [{"key": "first", "value": {"winner": "fast"}, "drops": ["slow"]}])
        self.assertIn("was dropped: a race", world.lines[0]["text"])
        self.assertEqual(RaceResult("a", 1)._asdict(), {"winner": "a", "value": 1})

    def test_a_run_does_not_succeed_before_what_it_called_though_nobody_waits_for_it(self):
        def main(ctx):
            ctx.open.call("left", "broken")
            return "returned"

        async def main_async(ctx):
            ctx.call("left", "broken")
            return "returned"

        async def skipping(ctx):
            ctx.call("left", "broken")
            ctx.skip("enough")

        for body, end in ((main, "run.succeed"), (main_async, "run.succeed"), (skipping, "run.skip")):
            world = World({"broken": broken})
            self.assertEqual(world.run(body).method, end)
            self.assertEqual(world.called, ["left"])
            self.assertIn('Nobody waited for "left": "left" (run-of-left) failed: it is broken', world.lines[0]["text"])

    def test_a_body_that_fails_beside_a_wait_says_so_at_once(self):
        async def main(ctx):
            async def fails():
                raise FatalError("at once")

            await asyncio.gather(ctx.sleep("nap", "1h"), fails())

        world = World()
        self.assertEqual(world.run(main).params["error"]["message"], "at once")
        self.assertEqual(world.methods, [])

    def test_a_signal_is_made_into_what_its_wait_says(self):
        @dataclass
        class Approval:
            by: str

        def main(ctx):
            assert ctx.wait_for_signal("plain") == {"by": "Ada"}
            approval = ctx.wait_for_signal("typed", name="plain", payload_type=Approval)
            try:
                ctx.wait_for_signal("unfit", name="plain", payload_type=Approval)
            except TypeError as error:
                return [approval.by, str(error)]

        outcome = World(signals={"plain": [{"by": "Ada"}, {"by": "Grace"}, {"by": 1}]}).run(main)
        self.assertEqual(outcome.params["output"][0], "Grace")
        self.assertIn('The signal of "unfit" does not fit: it.by has to be a text', outcome.params["output"][1])


class UseTest(unittest.TestCase):
    def test_keys_are_used_once_and_nobody_waits_inside_of_a_step(self):
        def main(ctx):
            ctx.step("step", lambda: 1)
            nap = ctx.open.sleep("nap", 1)
            if ctx.epoch == 1:
                self.assertRaisesRegex(RuntimeError, "is open already", lambda: ctx.sleep("nap", 1))
            self.assertRaisesRegex(TypeError, "1 to 512 characters", lambda: ctx.sleep("", 1))
            self.assertRaisesRegex(ValueError, "is no duration", lambda: ctx.sleep("x", "soon"))
            self.assertRaisesRegex(RuntimeError, "inside of the step", lambda: ctx.step("in", lambda: ctx.sleep("x", 1)))
            self.assertRaisesRegex(RuntimeError, "inside of the step", lambda: ctx.step("in", lambda: ctx.start("x", "y")))
            if ctx.epoch == 1:
                self.assertRaisesRegex(RuntimeError, '"nap" waits inside', lambda: ctx.step("in", nap.result))
            self.assertRaisesRegex(TypeError, "by the id of a task", lambda: ctx.call("x", main))
            self.assertRaisesRegex(TypeError, "what ctx.open.sleep", lambda: ctx.all([None]))
            self.assertRaisesRegex(TypeError, "has no members", lambda: ctx.race("x", {}))
            self.assertRaisesRegex(TypeError, "needs a key for its items", lambda: ctx.map("x", [1], "y", item_key=None))
            self.assertRaisesRegex(TypeError, "is a set, which JSON cannot keep", lambda: ctx.call("x", "y", {1}))
            nap.result()
            self.assertRaisesRegex(RuntimeError, "is the key of a step", lambda: ctx.sleep("step", 1))
            self.assertRaisesRegex(RuntimeError, "is the key of a wait", lambda: ctx.step("nap", lambda: 1))
            self.assertRaisesRegex(RuntimeError, "is the key of a sleep", lambda: ctx.call("nap2", "y"))
            ctx.sleep("nap", 1)
            return "done"

        world = World()
        world.records["nap2"] = {"holdfast.wait": "sleep", "end": "done", "hash": "h", "attempt": 1}
        outcome = world.run(main)
        self.assertEqual(outcome.params, {"output": "done"})
        [line] = world.lines
        self.assertIn('"nap" was used before in this body', line["text"])

    def test_what_was_asked_for_before_is_not_awaited_inside_of_a_step(self):
        async def main(ctx):
            nap = ctx.sleep("nap", 1)
            if ctx.epoch == 1:
                with self.assertRaisesRegex(RuntimeError, '"nap" waits inside of the step "in"'):
                    await ctx.step("in", lambda: nap)
            await nap
            return await ctx.step("in", lambda: nap)

        self.assertEqual(World().run(main).params, {"output": None})

    def test_a_wait_may_be_awaited_again_in_a_task_and_under_a_timeout_of_asyncio(self):
        async def main(ctx):
            call = ctx.call("call", "one")
            if ctx.epoch == 1:
                gate = asyncio.Event()
                step = asyncio.ensure_future(ctx.step("beside", gate.wait))
                with self.assertRaises(asyncio.TimeoutError):
                    await asyncio.wait_for(ctx.wait_for_signal("never"), 0.001)
                gate.set()
                await step
            both = await asyncio.gather(call, asyncio.create_task(call))
            return [*both, await call]

        world = World({"one": lambda _: 1})
        self.assertEqual(world.run(main).params, {"output": [1, 1, 1]})
        suspensions = [params["groups"] for method, params in world.said if method == "run.suspend"]
        self.assertEqual(suspensions, [[["call"]]])
