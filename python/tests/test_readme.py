"""Fault to catch: a page that shows code which does not run."""

import re
import sys
import types
import unittest
from pathlib import Path

from holdfast_sdk.body import run_body
from holdfast_sdk.calling import Signature

from .recording import context_of
from .test_state import Plane
from .waiting import World

README = Path(__file__).resolve().parents[1] / "README.md"
GUIDES = README.parents[1] / "docs" / "guides"
WAITING = GUIDES / "waiting.md"
STATE = GUIDES / "state.md"


class ReadmeTest(unittest.TestCase):
    def test_the_task_that_it_shows_runs(self):
        code, _ = re.findall(r"^```python\n(.*?)^```$", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)
        module = types.ModuleType("readme")
        exec(compile(code, str(README), "exec"), module.__dict__)
        context, calls = context_of()
        given = {"order": "17", "amount": 9.5, "day": "2026-01-31"}
        outcome = run_body(Signature(module.charge, "charge()"), given, context, "/")
        receipt = f"receipt-{context.token('charge')[:8]}-9.5"
        self.assertEqual(outcome.params, {"output": {"id": receipt, "day": "2026-01-31"}})
        self.assertEqual([method for method, _ in calls], ["step.commit", "log.write"])
        nothing = run_body(Signature(module.charge, "charge()"), {**given, "amount": 0}, context_of()[0], "/")
        self.assertTrue(nothing.params["fatal"])

    def test_the_bodies_of_the_guide_to_waiting_run(self):
        (code,) = re.findall(r"^```py file=tasks/trial.py\n(.*?)^```$", WAITING.read_text("utf-8"), re.MULTILINE | re.DOTALL)
        module = sys.modules["trial"] = types.ModuleType("trial")
        self.addCleanup(sys.modules.pop, "trial")
        exec(compile(code, str(WAITING), "exec"), module.__dict__)
        letter = {"letter": lambda given: f"Dear {given['name']}!"}
        names = {"names": ["Ada", "Grace"]}
        self.assertEqual(World(letter).run(module.trial, names).params, {"output": "none"})
        bought = {"bought": [{"plan": "yearly"}]}
        self.assertEqual(World(letter, bought).run(module.trial, names).params, {"output": "yearly"})
        self.assertEqual(World().run(module.approval).params, {"output": "nobody answered"})
        self.assertEqual(World(letter).run(module.both).params, {"output": ["Dear Ada!", "Dear Grace!"]})

    def test_the_body_of_the_guide_to_state_that_declares_it_runs(self):
        (code,) = re.findall(r"^```py file=tasks/totals.py\n(.*?)^```$", STATE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
        module = sys.modules["totals"] = types.ModuleType("totals")
        self.addCleanup(sys.modules.pop, "totals")
        exec(compile(code, str(STATE), "exec"), module.__dict__)
        plane = Plane()
        plane.values["task", "sum"] = (5, 1)
        body = Signature(module.add_orders, "add_orders()")
        context, _ = context_of(answer=plane.answer, options=body.options)
        self.assertEqual(run_body(body, {"country": "de", "count": 2}, context, "/").params, {"output": 7})
        kept = {key: value for (kind, key), (value, _) in plane.values.items() if kind == "task"}
        self.assertEqual(kept, {"holdfast.version": 2, "total": 7, "by_country": {"de": 2}})
        again, _ = context_of(answer=Plane().answer, options=body.options)
        self.assertRaisesRegex(TypeError, r'at "failed"\[0\] has to be a text', lambda: again.state.set("failed", [1]))

    def test_the_bodies_that_it_shows_with_jobs_of_other_systems_run(self):
        _, code = re.findall(r"^```python\n(.*?)^```$", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)
        module = sys.modules["jobs"] = types.ModuleType("jobs")
        self.addCleanup(sys.modules.pop, "jobs")
        exec(compile(code, str(README), "exec"), module.__dict__)
        services = {"bigquery": lambda spec: {"rows": [{"n": 3}]}, "dataproc": lambda ref: {"job_id": ref["job_id"]}}
        self.assertEqual(World(services).run(module.report).params, {"output": 3})
        self.assertEqual(World(services).run(module.train).params, {"output": {"job_id": "token-of-train"}})
        returned = World().run(module.load, {"day": "2026-01-31"}).params
        self.assertEqual([job["path"] for job in returned["jobs"]], [["parts", 0], ["parts", 1]])
