"""A map whose items keep state (items.test.ts)."""

from holdfast_sdk import FatalError, TaskContext


def items(names: list, ctx: TaskContext, fails: str = ""):
    return ctx.map("parts", names, "Python-item", item_key=str, item_input=lambda name: {"name": name, "fails": fails})


def item(name: str, fails: str, ctx: TaskContext):
    mine, known = ctx.state.get("name"), ctx.task_state.get(name)
    ctx.state.set("name", name)
    ctx.task_state.set(name, ctx.run.item)
    if fails == name and ctx.attempt == 1:
        raise FatalError("once")
    return [mine, known]
