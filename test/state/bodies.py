"""Carries out what it is told with state, and answers what it saw (bodies.ts)."""

from datetime import datetime

from holdfast_sdk import AppError, AsyncTaskContext, FatalError, TaskContext

NOTHING = object()


def plain(programs: list, ctx: TaskContext, fails: bool = False):
    seen = []
    for index, act in enumerate(program_of(programs, ctx)):
        state = handle_of(act, ctx)
        try:
            answer = call(state, act, f"{ctx.attempt}/{index}")
            while act["do"] == "untilAbsent" and answer is not NOTHING:
                answer = call(state, act, "")
            seen.append(said(act, answer, ctx))
        except (TypeError, ValueError):
            seen.append({"refused": "invalid"})
        except AppError as error:
            seen.append({"refused": error.code})
    return ended(seen, fails, ctx)


async def asynchronous(programs: list, ctx: AsyncTaskContext, fails: bool = False):
    seen = []
    for index, act in enumerate(program_of(programs, ctx)):
        state = handle_of(act, ctx)
        try:
            answer = await call(state, act, f"{ctx.attempt}/{index}")
            while act["do"] == "untilAbsent" and answer is not NOTHING:
                answer = await call(state, act, "")
            seen.append(said(act, answer, ctx))
        except (TypeError, ValueError):
            seen.append({"refused": "invalid"})
        except AppError as error:
            seen.append({"refused": error.code})
    return ended(seen, fails, ctx)


def program_of(programs, ctx):
    return programs[ctx.attempt - 1] if ctx.attempt <= len(programs) else []


def ended(seen, fails, ctx):
    if fails and ctx.attempt == 1:
        raise FatalError("as it was told")
    return seen


def handle_of(act, ctx):
    if act.get("of") != "asset":
        return ctx.task_state if act.get("of") == "task" else ctx.state
    asset = act.get("asset", "orders")
    task = ctx.run.definition
    return ctx.asset(f"s3://lake/{task}" if asset == "uri" else f"{task}-{asset}")


def call(state, act, name):
    """The call that is asked for; of an asynchronous context something to await."""
    if act["do"] == "watermark":
        return state.watermark(act["key"])
    if act["do"] == "advance":
        return state.advance(act["key"], act["value"], event=act.get("event"), as_=name)
    if act["do"] == "emit":
        return state.emit(act["value"], key=act.get("eventKey"), as_=name)
    if act["do"] == "events":
        return state.events()
    verb, key, value = act["do"], act.get("key", ""), number(act.get("value"))
    only = {"if_version": act["ifVersion"]} if "ifVersion" in act else {}
    if verb in ("get", "untilAbsent"):
        return state.get(key, NOTHING)
    if verb in ("entry", "isOwn"):
        return state.entry(key)
    if verb == "list":
        return state.list(act.get("prefix"))
    if verb == "set":
        kept = {"retention": act["retention"]} if "retention" in act else {}
        return state.set(key, value, as_=name, **only, **kept)
    if verb == "delete":
        return state.delete(key, as_=name, **only)
    if verb == "clear":
        return state.clear(act.get("prefix"), as_=name)
    if verb == "increment":
        return state.increment(key, value, as_=name)
    if verb == "append":
        return state.append(key, value, as_=name)
    return state.set_if_max(key, value, as_=name)


def said(act, answer, ctx):
    verb = act["do"]
    if verb == "isOwn":
        return {"own": answer.writer.run == ctx.run.id}
    if verb == "watermark":
        return {"value": answer}
    if verb == "advance":
        return {"changed": answer.changed, "event": answer.event}
    if verb == "emit":
        return {"number": answer.number, "existing": answer.existing}
    if verb == "events":
        return {"events": [[event.number, event.key, event.payload] for event in answer]}
    if verb in ("get", "untilAbsent"):
        return {"absent": True} if answer is NOTHING else {"value": answer}
    if verb == "entry":
        if answer.expires_at is None:
            return {"expires": None}
        return {"expires": round((moment(answer.expires_at) - moment(answer.updated_at)).total_seconds() / 60)}
    if verb == "list":
        return {"keys": [entry.key for entry in answer]}
    names = {"set": "version", "clear": "cleared", "increment": "value", "append": "length", "setIfMax": "changed"}
    return {names[verb]: answer} if verb in names else {}


def moment(text):
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")


def number(value):
    """With the numbers that JSON cannot say, and texts that are too long for an input."""
    if isinstance(value, dict) and "$repeat" in value:
        return "x" * value["$repeat"]
    if isinstance(value, dict):
        return float(value["$number"]) if "$number" in value else {name: number(item) for name, item in value.items()}
    return [number(item) for item in value] if isinstance(value, list) else value
