"""A control plane in memory for one run: it ends activations when they suspend, lets what they wait for end, and starts them
again with what is recorded. Answers come in a thread of their own, as the channel's do."""

import queue
import threading
from concurrent.futures import Future
from contextlib import contextmanager

from holdfast_sdk.body import new_context, run_body
from holdfast_sdk.abort import AbortSignal
from holdfast_sdk.calling import Signature
from holdfast_sdk.errors import AppError
from holdfast_sdk.reports import TaskLog

from .recording import start_of

PATIENCE_S = 60
MARK = "holdfast.wait"


def done(kind, value=None, **more):
    return {MARK: kind, "end": "done", "hash": "h", "attempt": 1, "value": value, **more}


class World:
    """``definitions``: functions of an input; what one raises is its run's error. ``signals``: payloads by name, in order.
    ``crashes``: ``before:KEY`` or ``after:KEY``, the moments at which the process dies, once each. ``heard``: told of a method's calls.
    ``unanswered``: methods that are heard and not answered."""

    def __init__(self, definitions=None, signals=None, crashes=(), heard=None, unanswered=()):
        self.definitions = definitions or {}
        self.signals = {name: list(payloads) for name, payloads in (signals or {}).items()}
        self.crashes = list(crashes)
        self.heard = heard or {}
        self.unanswered = unanswered
        self.records = {}
        self.open = {}
        self.called = []
        self.said = []
        self.attempt = 1
        self.epoch = 0
        self.away = 0
        self.refuse = {}
        self.large = {}
        self.lines = []

    def run(self, body, given=None):
        """Starts activations until one ends; answers its outcome."""
        while True:
            self.epoch += 1
            self.groups = []
            self.activation = Activation(self)
            outcome = self.activation.carry_out(body, given)
            if outcome is not None:
                return outcome
            if self.groups and not self.is_satisfied:
                self.go_on()

    @property
    def methods(self):
        return [method for method, _ in self.said if method != "log.write"]

    def answer(self, method, params):
        self.heard.get(method, lambda: None)()
        if method == "step.commit":
            value = self.records.setdefault(params["key"], params["value"])
            return {"recorded": True, "value": value}
        if method == "run.enqueue":
            self.called.append(params["key"])
            return {"runId": self.records.setdefault(params["key"], f"run-of-{params['key']}")}
        if method == "output.get":
            return {"output": self.large[params.get("run") or params["job"]]}
        if method == "external.submit":
            self.open.setdefault(params["key"], {"kind": "external", **params})
            return {"token": f"token-of-{params['key']}", "ref": self.open[params["key"]].get("ref")}
        if method == "external.adopt":
            self.open[params["key"]]["ref"] = params["ref"]
            return {}
        if method not in ("wait.open", "run.suspend"):
            return {}
        refused = [{"key": key, "error": self.refuse[key]} for key in keys_of(params["waits"]) if key in self.refuse]
        for wait in params["waits"]:
            known = self.records.get(wait["key"])
            if isinstance(known, dict) and known.get("end") in ("failed", "timed_out") and known["attempt"] != self.attempt:
                del self.records[wait["key"]]
            if wait["key"] not in (*self.open, *self.records, *self.refuse):
                self.open[wait["key"]] = wait
        for settle in params["settles"]:
            self.records[settle["key"]] = settle["value"]
            for key in settle["drops"]:
                self.records[key] = {**done(self.open.pop(key)["kind"]), "end": "dropped"}
        self.groups = params.get("groups", [])
        named = [*keys_of(params["waits"]), *(key for group in self.groups for key in group)]
        records = [{"key": key, "value": self.records[key]} for key in dict.fromkeys(named) if key in self.records]
        if method == "wait.open":
            return {"records": records, "refused": refused}
        suspended = not self.is_satisfied and not refused
        return {"suspended": suspended, "records": [] if suspended else records, "refused": refused}

    @property
    def is_satisfied(self):
        return any(all(key in self.records for key in group) for group in self.groups)

    def go_on(self):
        """Lets open waits end until the body may go on: signals, then calls, then sleeps by their length."""
        order = {"signal": 0, "call": 1, "map": 1, "external": 1, "sleep": 2}
        for key, wait in sorted(self.open.items(), key=lambda each: (order[each[1]["kind"]], each[1].get("ms", 0))):
            if self.is_satisfied:
                return
            self.end(key, wait)
        if not self.is_satisfied:
            raise AssertionError(f"It waits for ever: {self.open}")

    def end(self, key, wait):
        kind = wait["kind"]
        if kind == "signal":
            payloads = self.signals.get(wait["name"])
            if not payloads and "timeoutMs" not in wait:
                return
            record = done("signal", payloads.pop(0)) if payloads else {**done("signal"), "end": "timed_out"}
        elif kind == "sleep":
            record = done("sleep")
        elif kind == "external":
            record = self.ended_job(key, wait)
        else:
            record = self.ended_call(key, wait)
        del self.open[key]
        self.records[key] = {**record, "attempt": self.attempt}

    def ended_call(self, key, wait):
        run = f"run-of-{key}"
        definition = self.definitions[wait["definition"]]
        inputs = [item["input"] for item in wait["items"]] if wait["kind"] == "map" else [wait["input"]]
        try:
            outputs = [definition(given) for given in inputs]
        except Exception as error:
            self.called.append(key)
            code = getattr(error, "code", "task_failed")
            failed = {**done("call"), "end": "failed", "run": run, "status": "failed"}
            hint = getattr(error, "hint", None)
            return {**failed, "error": {"code": code, "message": str(error), **({} if hint is None else {"hint": hint})}}
        self.called.append(key)
        output = outputs if wait["kind"] == "map" else outputs[0]
        if not isinstance(output, str) or len(output) < 1_000:
            return done("call", output, run=run)
        self.large[run] = output
        return {**done("call", run=run), "large": True}


    def ended_job(self, key, wait):
        job = {"id": f"job-of-{key}", "service": wait["service"], "externalId": "j", "rawStatus": "DONE", "links": []}
        try:
            result = self.definitions[wait["service"]](wait.get("spec", wait.get("ref")))
        except Exception as error:
            failed = {**done("external"), "end": "failed", "status": "failed", "job": job}
            return {**failed, "error": {"code": "external_failed", "message": str(error), "details": {"code": "own_code"}}}
        if not isinstance(result, str) or len(result) < 1_000:
            return done("external", result, job=job)
        self.large[job["id"]] = result
        return {**done("external", job=job), "large": True}


class Activation:
    """One start of a body, in a thread: one that waits is never let go on, as its process would be ended."""

    def __init__(self, world):
        self.world = world
        self.heard = queue.SimpleQueue()
        self.end = queue.SimpleQueue()
        self.over = False

    def carry_out(self, body, given):
        task = Signature(body, "main()")
        steps = [{"key": key, "value": value} for key, value in self.world.records.items()]
        start = {**start_of(steps), "attempt": self.world.attempt, "epoch": self.world.epoch}

        def run():
            # Made here, as threads that are there before are none of the body's.
            context = new_context(task, start, self.call, AbortSignal(), TaskLog(self.call))
            self.end.put(run_body(task, given, context, "/project"))

        threading.Thread(target=self.reply, daemon=True).start()
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        outcome = self.end.get(timeout=PATIENCE_S)
        self.over = True
        return outcome

    def call(self, method, params):
        answer = Future()
        if not self.over:
            self.world.said.append((method, params))
            self.world.lines += params["lines"] if method == "log.write" else []
        self.heard.put((method, params, answer))
        return answer

    def reply(self):
        while not self.over:
            method, params, answer = self.heard.get()
            world = self.world
            if method in world.unanswered:
                continue
            if world.away > 0 and method != "log.write":
                world.away -= 1
                answer.set_exception(AppError("store_unavailable", "away"))
                continue
            if any(self.dies(f"before:{key}") for key in moments(method, params)):
                return
            try:
                result = world.answer(method, params)
            except AppError as error:
                answer.set_exception(error)
                continue
            if any(self.dies(f"after:{key}") for key in moments(method, params)):
                return
            if result.get("suspended"):
                self.end.put(None)
            answer.set_result(result)

    def dies(self, moment):
        if moment not in self.world.crashes:
            return False
        self.world.crashes.remove(moment)
        self.end.put(None)
        return True


def keys_of(waits):
    return [wait["key"] for wait in waits]


def moments(method, params):
    if method in ("step.commit", "run.enqueue"):
        return [params["key"]]
    if method in ("external.submit", "external.adopt"):
        return [f"{method[9:]}:{params['key']}"]
    return [*keys_of(params["waits"]), *keys_of(params["settles"])] if "waits" in params else []


def in_threads(functions):
    """Calls them in a thread each; answers what waits for their results. Not by an executor: Python
    would wait for its threads at its end, and those of a body that waits never end."""
    results = {}

    def run(place, function):
        results[place] = function()

    threads = [threading.Thread(target=run, args=each, daemon=True) for each in enumerate(functions)]
    for thread in threads:
        thread.start()

    def joined():
        for thread in threads:
            thread.join()
        return [results[place] for place in range(len(functions))]

    return joined


@contextmanager
def noting(seen, what):
    try:
        yield
    except BaseException:
        seen.append(f"{what} caught")
        raise
    finally:
        seen.append(f"{what} finally")
