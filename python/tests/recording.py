"""A context whose calls are answered at once, as a control plane with an empty store would, and remembered."""

from concurrent.futures import Future

from holdfast_sdk.abort import AbortSignal
from holdfast_sdk.context import AsyncTaskContext, TaskContext

RUN = {
    "id": "run-1",
    "rootId": "run-0",
    "parentId": "run-0",
    "definition": "clean",
    "workflow": "nightly",
    "name": "clean",
    "item": None,
    "key": None,
    "generation": 0,
}


def start_of(steps=(), seed="seed"):
    return {"run": RUN, "attempt": 2, "epoch": 5, "tokenSeed": seed, "steps": list(steps)}


def answer_now(method, params):
    answer = Future()
    answer.set_result({"recorded": True, "value": params["value"]} if method == "step.commit" else {})
    return answer


def context_of(steps=(), seed="seed", answer=answer_now, is_async=False, options=None):
    """A context, and the list of its calls as they come."""
    calls = []

    def call(method, params):
        calls.append((method, params))
        return answer(method, params)

    kind = AsyncTaskContext if is_async else TaskContext
    return kind(start_of(steps, seed), call, AbortSignal(), None, options), calls
