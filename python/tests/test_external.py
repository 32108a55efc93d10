"""Jobs of other systems, as Python bodies ask for them and return them. Faults to catch: a form that Ork does not know; a job that is
started twice, or under another token; one that is lost in what a body returns; a job that nobody starts and the run waits for."""

import asyncio
import threading
import unittest
from dataclasses import dataclass

from holdfast_sdk import (
    BigQueryJob,
    CloudRunJob,
    CustomHttp,
    DataprocBatch,
    DataprocJob,
    ExternalJobError,
    KubernetesJob,
    custom_job,
    deferred,
    mock_job,
)

from .golden import FIXTURES
from .waiting import PATIENCE_S, World, in_threads

STARTED = BigQueryJob("p", "j", "US")


def broken(_):
    raise ValueError("no such table")


class FormTest(unittest.TestCase):
    def test_what_names_a_job_has_the_form_of_ork(self):
        http = CustomHttp("http://x/s", failure_value="failed")
        forms = {
            BigQueryJob(project="p", job_id="j", location="US"): {"project": "p", "job_id": "j", "location": "US", "service_type": "bigquery"},
            CloudRunJob(project="p", region="r", job_name="jn", execution_id="e"): {
                **{"project": "p", "region": "r", "job_name": "jn", "execution_id": "e"},
                **{"service_type": "cloudrun", "job_id": "p/r/jn/e"},
            },
            DataprocJob(project="p", region="r", cluster_name="c", job_id="j"): {
                **{"project": "p", "region": "r", "cluster_name": "c", "job_id": "j", "service_type": "dataproc"},
            },
            http: {
                **{"url": "http://x/s", "method": "GET", "headers": {}, "success_status_codes": [200], "failure_value": "failed"},
                **{"service_type": "custom_http", "job_id": "http://x/s", "status_field": "status", "success_value": "completed"},
            },
        }
        for job, form in forms.items():
            self.assertEqual(job.to_dict(), form)
        self.assertEqual(BigQueryJob("p", "j", "US", connection="bq").to_dict()["connection"], "bq")
        with self.assertRaisesRegex(TypeError, "is not started yet"):
            BigQueryJob.query("SELECT 1").to_dict()

    def test_what_cannot_be_a_job_is_refused_where_it_is_made(self):
        for make in (
            lambda: custom_job("s"),
            lambda: custom_job("", spec=1),
            lambda: custom_job("s", spec=1, connection="x" * 201),
        ):
            self.assertRaises(TypeError, make)
        self.assertRaisesRegex(ValueError, "enough is", lambda: deferred([], enough=0))

    def test_what_is_to_be_started_is_asked_for_as_trackers_read_it(self):
        jobs = {
            "bigquery": (BigQueryJob.query("SELECT @n", params={"n": 1}, rows=5), {"sql": "SELECT @n", "params": {"n": 1}, "rows": 5}),
            "bigquery ": (BigQueryJob.start({"load": {}}), {"configuration": {"load": {}}}),
            "cloudrun": (CloudRunJob.start("jn", args=["a"], task_count=2), {"job": "jn", "args": ["a"], "taskCount": 2}),
            "dataproc": (DataprocJob.start("c", {"sparkJob": {}}), {"cluster": "c", "job": {"sparkJob": {}}}),
            "dataproc_batch": (DataprocBatch.start({"sparkBatch": {}}, region="r"), {"batch": {"sparkBatch": {}}, "region": "r"}),
            "kubernetes": (KubernetesJob.start("image", service_account="s"), {"image": "image", "serviceAccount": "s"}),
            "http": (CustomHttp.start({"url": "/a"}, {"url": "/b"}), {"submit": {"url": "/a"}, "poll": {"url": "/b"}}),
        }

        def main(ctx):
            return ctx.all([ctx.open.external(name, job) for name, (job, _) in jobs.items()])

        world = World({name.strip(): lambda spec: spec for name in jobs})
        self.assertEqual(world.run(main).params, {"output": [spec for _, spec in jobs.values()]})
        asked = {wait["key"]: wait for _, params in world.said for wait in params["waits"]}
        self.assertEqual(asked["cloudrun"], {"kind": "external", "key": "cloudrun", "service": "cloudrun", "spec": jobs["cloudrun"][1]})


class WaitTest(unittest.TestCase):
    def test_a_body_waits_for_jobs_with_their_options(self):
        job = CustomHttp.start({"url": "/jobs?back={callback}"}, {"url": "/b"}, connection="jobs")

        async def main(ctx):
            return await ctx.external("key", job, timeout="1h", on_unknown="resubmit")

        world = World({"http": lambda _: "x" * 2_000})
        self.assertEqual(len(world.run(main).params["output"]), 2_000)
        [asked] = world.said[0][1]["waits"]
        spec = {"submit": {"url": "/jobs?back={callback}"}, "poll": {"url": "/b"}}
        options = {"timeoutMs": 3_600_000, "onUnknown": "resubmit", "callback": True}
        self.assertEqual(asked, {"kind": "external", "key": "key", "service": "http", "connection": "jobs", "spec": spec, **options})
        self.assertEqual(world.said[1], ("output.get", {"job": "job-of-key"}))

    def test_a_job_that_fails_raises_what_its_service_says_and_the_next_try_starts_another(self):
        errors = []

        def main(ctx):
            try:
                return ctx.external("key", STARTED)
            except ExternalJobError as error:
                errors.append(error)
                raise

        world = World({"bigquery": broken})
        outcome = world.run(main)
        error = outcome.params["error"]
        self.assertEqual((error["code"], error["message"]), ("external_failed", '"key" (j of bigquery) failed: no such table'))
        details = {"service": "bigquery", "jobId": "job-of-key", "externalId": "j", "status": "failed", "code": "own_code"}
        self.assertEqual(error["details"], details)
        self.assertEqual((errors[0].status, errors[0].code, errors[0].id), ("failed", "own_code", "job-of-key"))
        world.attempt = 2
        world.definitions["bigquery"] = lambda ref: ref["job_id"]
        self.assertEqual(world.run(main).params, {"output": "j"})

    def test_a_run_does_not_succeed_before_its_jobs_have_ended(self):
        async def main(ctx):
            ctx.external("left", STARTED)

        world = World({"bigquery": broken})
        self.assertEqual(world.run(main).method, "run.succeed")
        self.assertIn('Nobody waited for "left": "left" (j of bigquery) failed: no such table', world.lines[0]["text"])

    def test_what_is_no_job_is_refused(self):
        def main(ctx):
            self.assertRaisesRegex(TypeError, "is no external job", lambda: ctx.external("key", {"service_type": "bigquery"}))
            self.assertRaisesRegex(ValueError, "on_unknown", lambda: ctx.external("key", STARTED, on_unknown="hope"))
            self.assertRaisesRegex(TypeError, "JSON cannot keep", lambda: ctx.external("key", custom_job("s", spec={1})))
            self.assertRaisesRegex(TypeError, "is a BigQueryJob, which JSON cannot keep", lambda: ctx.step("step", lambda: STARTED))

        self.assertEqual(World().run(main).params, {"output": None})


class OwnTest(unittest.TestCase):
    def test_a_body_starts_its_job_once_under_one_token_whatever_dies(self):
        for crash, times in ((None, 1), ("before:submit:key", 1), ("after:submit:key", 1), ("before:adopt:key", 2), ("after:adopt:key", 1)):
            for is_async in (False, True):
                tokens = []

                def submit(token):
                    tokens.append(token)
                    return BigQueryJob("p", token, "US")

                async def submit_async(token):
                    await asyncio.sleep(0)
                    return submit(token)

                def main(ctx):
                    return ctx.external("key", BigQueryJob.own(submit))

                async def main_async(ctx):
                    return await asyncio.gather(ctx.external("key", BigQueryJob.own(submit_async)), ctx.sleep("nap", 1))

                with self.subTest(f"{crash} {is_async}"):
                    world = World({"bigquery": lambda ref: ref["job_id"]}, crashes=[crash] if crash else [])
                    output = world.run(main_async if is_async else main).params["output"]
                    self.assertEqual(output, ["token-of-key", None] if is_async else "token-of-key")
                    self.assertEqual(tokens, ["token-of-key"] * times)

    def test_its_messages_are_the_golden_ones(self):
        def main(ctx):
            job = CustomHttp.own(lambda token: custom_job("http", ref={"id": "j-1"}), connection="wh")
            job.service = "warehouse"
            ctx.external("scan", job, timeout="1h", on_unknown="resubmit")

        world = World({"warehouse": lambda ref: ref})
        world.away = 1
        self.assertEqual(world.run(main).method, "run.succeed")
        methods = FIXTURES["methods"]
        for method in ("external.submit", "external.adopt"):
            self.assertEqual(dict(world.said)[method], methods[method]["params"])

    def test_while_a_body_starts_its_job_it_is_not_suspended(self):
        is_opened = threading.Event()

        def submit(token):
            is_opened.wait(PATIENCE_S)
            return STARTED

        def main(ctx):
            naps = in_threads([lambda: ctx.sleep("nap", "1h")])
            return [ctx.external("key", BigQueryJob.own(submit)), *naps()]

        world = World({"bigquery": lambda ref: ref["job_id"]}, heard={"wait.open": is_opened.set})
        self.assertEqual(world.run(main).params, {"output": ["j", None]})
        self.assertEqual(sorted(world.methods[:2]), ["external.submit", "wait.open"])

    def test_what_could_not_be_started_is_raised_and_nobody_waits_for_it(self):
        def main(ctx):
            for key, submit in (("broken", broken), ("nameless", lambda token: mock_job), ("later", asynchronous)):
                try:
                    ctx.external(key, BigQueryJob.own(submit))
                except Exception as error:
                    ctx.log.info(error)
            return "went on"

        async def asynchronous(token):
            return STARTED

        async def main_async(ctx):
            try:
                await ctx.external("broken", BigQueryJob.own(broken))
            except ValueError:
                return "went on"

        world = World()
        self.assertEqual(world.run(main).params, {"output": "went on"})
        self.assertEqual(world.open, {})
        texts = [line["text"] for line in world.lines]
        self.assertEqual(texts[:2], ["no such table", "What starts a job of bigquery answers what names it."])
        self.assertIn("is asynchronous: make the body async", texts[2])
        left = [text for text in texts if text.startswith("The body went on without")]
        self.assertEqual([text[:37] for text in left], [f'The body went on without the job "{key}'[:37] for key in ("broken", "nameless", "later")])
        self.assertIn("whose start raised: no such table. Whether bigquery has it is not known", left[0])
        self.assertIn(f"look for the token token-of-broken there", left[0])
        world = World()
        self.assertEqual(world.run(main_async).params, {"output": "went on"})
        self.assertEqual(world.open, {})


class ReturnTest(unittest.TestCase):
    def returns(self, value):
        async def main():
            return value

        return World().run(main)

    def test_jobs_that_a_body_returns_are_apart_from_the_data_that_they_are_part_of(self):
        ref = STARTED.to_dict()
        job = {"service": "bigquery", "ref": ref}

        @dataclass
        class Report:
            rows: int
            jobs: list

        alone = self.returns(STARTED)
        self.assertEqual((alone.method, alone.params), ("run.succeed", {"output": None, "jobs": [{"path": [], **job}]}))
        both = self.returns([STARTED, BigQueryJob.query("SELECT 1", connection="bq")]).params
        spec = {"path": [1], "service": "bigquery", "connection": "bq", "spec": {"sql": "SELECT 1"}}
        self.assertEqual(both, {"output": [None, None], "jobs": [{"path": [0], **job}, spec]})
        within = self.returns(deferred(Report(3, [STARTED, STARTED]), enough="any")).params
        self.assertEqual(within["output"], {"rows": 3, "jobs": [None, None]})
        self.assertEqual((within["jobs"][1]["path"], within["enough"]), (["jobs", 1], 1))
        self.assertNotIn("enough", self.returns(deferred([STARTED, STARTED], enough=2)).params)
        self.assertEqual(self.returns(deferred({"rows": 1})).params, {"output": {"rows": 1}})
        form = {"deferred": [ref]}
        self.assertEqual(self.returns(form).params, {"output": form})

    def test_what_cannot_be_waited_for_is_told(self):
        own = self.returns([BigQueryJob.own(lambda token: STARTED)])
        self.assertIn("the body has not started: wait for it by ctx.external", own.params["error"]["message"])
        many = self.returns(deferred([STARTED], enough=2))
        self.assertIn("2 jobs would be enough, and there are 1", many.params["error"]["message"])
        bad = self.returns(custom_job("s", spec={"a": {1}}))
        self.assertIn("The job of s.spec.a is a set", bad.params["error"]["message"])
