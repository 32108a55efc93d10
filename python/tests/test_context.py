"""Faults to catch: a recorded step done again; a step recorded that failed; a token that differs between languages; a log
that makes a body wait or fail; lines in another order, or lost before the end is said."""

import asyncio
import logging
import unittest
from concurrent.futures import Future
from datetime import timedelta

from holdfast_sdk import Aborted, FatalError, RetryAfter
from holdfast_sdk.body import Settling, run_body
from holdfast_sdk.calling import Signature
from holdfast_sdk.errors import AppError
from holdfast_sdk.outcome import Outcome
from holdfast_sdk.reports import LogHandler

from .golden import FIXTURES
from .recording import answer_now, context_of


class ContextTest(unittest.TestCase):
    def test_tokens_are_the_golden_ones(self):
        for golden in FIXTURES["tokens"]:
            context, _ = context_of(seed=golden["seed"])
            self.assertEqual(context.token(golden["key"]), golden["token"])

    def test_it_says_who_and_where_it_is(self):
        context, _ = context_of()
        run = context.run
        self.assertEqual((run.id, run.root_id, run.workflow, context.attempt, context.epoch), ("run-1", "run-0", "nightly", 2, 5))

    def test_a_recorded_step_answers_and_its_function_is_not_run(self):
        context, calls = context_of(steps=[{"key": "a", "value": None}])
        self.assertIsNone(context.step("a", lambda: self.fail("run again")))
        self.assertEqual(context.step("b", lambda: (1, 2)), [1, 2])
        self.assertEqual(context.step("b", lambda: self.fail("run again")), [1, 2])
        self.assertEqual(calls[0], ("step.commit", {"key": "b", "value": [1, 2]}))
        # Not of "a", which was used once: that it had been recorded before is what steps are for.
        [(method, params)] = calls[1:]
        self.assertEqual(method, "log.write")
        [line] = params["lines"]
        self.assertEqual(line["level"], "warn")
        self.assertIn('Step "b" was used before in this body', line["text"])

    def test_a_step_that_fails_records_nothing_and_may_be_tried_again(self):
        context, calls = context_of()
        with self.assertRaises(ZeroDivisionError):
            context.step("a", lambda: 1 / 0)
        with self.assertRaisesRegex(TypeError, r'The result of step "a"\.x is a set'):
            context.step("a", lambda: {"x": {1}})
        with self.assertRaises(AppError):
            context.step("a", lambda: "x" * 2_000_000)
        self.assertEqual(calls, [])
        self.assertEqual(context.step("a", lambda: 1), 1)

    def test_a_key_that_cannot_be_one_is_refused_before_the_work_is_done(self):
        context, _ = context_of()
        for key in ("", "x" * 513, "a\0", "\ud800", 7):
            with self.assertRaises(TypeError):
                context.step(key, lambda: self.fail("done"))
        with self.assertRaisesRegex(TypeError, "is async: make the body async"):
            context.step("a", lambda: asyncio.sleep(0))

    def test_log_lines_wait_for_nothing_go_out_in_order_and_are_whole_at_the_end(self):
        unanswered = []

        def answer(method, params):
            unanswered.append(Future())
            return unanswered[-1]

        context, calls = context_of(answer=answer)
        for number in range(1_200):
            context.log.info(f"line {number}", n=number)
        self.assertEqual(len(calls), 1)
        unanswered[0].set_result({})
        self.assertEqual([len(params["lines"]) for _, params in calls], [1, 500])
        context._close()
        texts = [line["text"] for _, params in calls for line in params["lines"]]
        self.assertEqual(texts, [f"line {number}" for number in range(1_200)])
        context.log.info("too late")
        self.assertEqual(len(calls), 4)

    def test_a_flood_that_nobody_takes_is_dropped_and_counted(self):
        context, calls = context_of(answer=lambda method, params: Future())
        for number in range(10_101):
            context.log.info("x")
        context._close()
        self.assertEqual(calls[-1][1]["lines"][-1]["text"], "100 lines of ctx.log were dropped: they came too fast.")

    def test_no_line_makes_a_body_fail(self):
        class Bad:
            def __str__(self):
                raise ValueError("no text")

        context, calls = context_of()
        context.log.info(Bad(), bad={1}, text="a field of this name")
        context.log.error("a\0\ud800" + "x" * 100_000)
        context.progress(float("nan"))
        lines = [line for _, params in calls for line in params["lines"]]
        self.assertIn("could not be made", lines[0]["text"])
        self.assertIn("fields.bad is a set", lines[0]["fields"]["dropped"])
        self.assertTrue(lines[1]["text"].startswith("a\ufffd\ufffdx"))
        self.assertLess(len(lines[1]["text"]), 30_000)

    def test_what_goes_to_logging_is_in_the_log_with_its_level_and_logger(self):
        context, calls = context_of()
        logger = logging.getLogger("shop.orders")
        handler = LogHandler()
        handler.log = context.log
        logger.addHandler(handler)
        self.addCleanup(logger.handlers.clear)
        logger.propagate = False
        logger.warning("low on %s", "bolts")
        line = {"level": "warn", "text": "low on bolts", "fields": {"logger": "shop.orders"}}
        self.assertEqual(calls, [("log.write", {"lines": [line]})])

    def test_retry_after_takes_durations_timedeltas_and_seconds(self):
        for delay, ms in (("30s", 30_000), ("1.5m", 90_000), (2, 2_000), (timedelta(hours=1), 3_600_000)):
            self.assertEqual(RetryAfter(delay).after_ms, ms)
        for delay in ("soon", -1, float("nan"), "99999d", True):
            with self.assertRaises(ValueError):
                RetryAfter(delay)

    def test_the_signal_calls_back_once_and_raises_when_asked(self):
        context, _ = context_of()
        fired = []
        context.abort_signal.add_callback(lambda: fired.append(1))
        context.abort_signal.raise_if_aborted()
        self.assertFalse(context.abort_signal.wait(0))
        context.abort_signal._fire("cancelled")
        context.abort_signal._fire("again")
        context.abort_signal.add_callback(lambda: fired.append(2))
        self.assertEqual(fired, [1, 2])
        with self.assertRaisesRegex(Aborted, "cancelled"):
            context.abort_signal.raise_if_aborted()


class BodyTest(unittest.TestCase):
    def run_one(self, body, given=None, answer=answer_now):
        context, calls = context_of(answer=answer, is_async=Signature(body, "main()").is_async)
        return run_body(Signature(body, "main()"), given, context, "/project"), calls

    def test_what_a_body_raises_is_said_as_it_asks(self):
        def raising(error):
            def main():
                raise error

            return self.run_one(main)[0]

        self.assertEqual(raising(FatalError("no")).params["fatal"], True)
        self.assertEqual(raising(RetryAfter("2s")).params["afterMs"], 2_000)
        self.assertNotIn("fatal", raising(ValueError("no")).params)
        self.assertIn("sys.exit(0)", raising(SystemExit(0)).params["error"]["message"])
        self.assertEqual(raising(KeyboardInterrupt()).method, "run.fail")

    def test_a_skip_is_no_exception_that_a_body_catches_by_chance(self):
        def main(ctx):
            try:
                ctx.skip("nothing to do")
            except Exception:
                return "caught"

        outcome, _ = self.run_one(main)
        self.assertEqual((outcome.method, outcome.params), ("run.skip", {"reason": "nothing to do"}))

    def test_an_error_names_its_causes_and_leaves_the_frames_of_holdfast_out(self):
        def main():
            try:
                {}["gone"]
            except KeyError as cause:
                raise RuntimeError("no luck") from cause

        error = self.run_one(main)[0].params["error"]
        self.assertEqual((error["message"], error["name"]), ("no luck", "RuntimeError"))
        self.assertRegex(error["stack"], r"(?s)^Traceback.*RuntimeError: no luck\nCaused by: Traceback.*KeyError: 'gone'$")
        self.assertNotIn("holdfast_sdk", error["stack"])

    def test_async_bodies_await_their_steps(self):
        async def main(ctx):
            return await asyncio.gather(ctx.step("a", lambda: 1), ctx.step("b", lambda: asyncio.sleep(0, 2)))

        outcome, calls = self.run_one(main)
        self.assertEqual(outcome.params, {"output": [1, 2]})
        self.assertEqual([method for method, _ in calls], ["step.commit", "step.commit"])

    def test_an_outcome_is_said_until_it_is_acknowledged(self):
        answers = [AppError("store_unavailable", "away"), AppError("store_unavailable", "away"), None]
        said = []

        def call(method, params):
            said.append((method, params))
            answer = Future()
            error = answers.pop(0)
            answer.set_result({}) if error is None else answer.set_exception(error)
            return answer

        pauses = []
        settling = Settling(call, Outcome("run.succeed", {"output": 1}), pauses.append)
        settling.begin()
        settling.finish()
        self.assertEqual(said, [("run.succeed", {"output": 1})] * 3)
        self.assertEqual(pauses, [0.05, 0.1])

    def test_an_output_that_is_refused_becomes_a_failure_with_the_words_of_the_refusal(self):
        answers = [AppError("invalid_output", 'The output of "x" does not fit: rows must be integer.', hint="Look."), None]
        said = []

        def call(method, params):
            said.append((method, params))
            answer = Future()
            error = answers.pop(0)
            answer.set_result({}) if error is None else answer.set_exception(error)
            return answer

        settling = Settling(call, Outcome("run.succeed", {"output": 1}))
        settling.begin()
        settling.finish()
        message = 'The output of "x" does not fit: rows must be integer.'
        self.assertEqual(said[1], ("run.fail", {"error": {"code": "result_invalid", "message": message, "hint": "Look."}}))

    def test_a_refusal_without_a_remedy_ends_the_saying(self):
        def call(method, params):
            answer = Future()
            answer.set_exception(AppError("stale_epoch", "replaced"))
            return answer

        settling = Settling(call, Outcome("run.succeed", {"output": 1}))
        settling.begin()
        with self.assertRaisesRegex(AppError, "replaced"):
            settling.finish()
