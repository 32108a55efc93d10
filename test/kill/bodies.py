"""Bodies of the kill tests in Python, as bodies.ts has them: each acts by its input and writes down what it does where nothing but
the test looks. One is a plain function and one is asynchronous."""

import json
import os
import signal
import subprocess
import time

from holdfast_sdk import AsyncTaskContext, FatalError, TaskContext

# Each node gives its children a folder of its own for temporary files, below the campaign's.
FOLDER = os.path.dirname(os.environ.get("TMPDIR", "."))


def pass_point(point):
    """As pass of points.ts."""
    armed = os.path.join(FOLDER, "armed")
    try:
        names = os.listdir(armed)
    except OSError:
        return  # the campaign is over
    for name in names:
        armed_point, _, left = name.partition("@")
        if armed_point != point:
            continue
        is_here = left in ("", "0")
        taken = os.path.join(FOLDER, "taken", f"{point}.{os.getpid()}")
        try:
            os.rename(os.path.join(armed, name), taken if is_here else os.path.join(armed, f"{point}@{int(left) - 1}"))
        except OSError:
            return
        if is_here:
            append("told", {"point": point, "pid": os.getpid()})
            os.kill(os.getpid(), signal.SIGSTOP)
        return


def append(file, told):
    line = json.dumps(told, separators=(",", ":")).encode() + b"\n"
    descriptor = os.open(os.path.join(FOLDER, file), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


pass_point("child.loading")


def write(ctx, act):
    append("effects", {"runId": ctx.run.id, "epoch": ctx.epoch, "act": act, "pid": os.getpid()})


def work(script, ctx):
    until = time.monotonic() + script["workMs"] / 1_000
    while script["busy"] and time.monotonic() < until:
        pass
    while (left := until - time.monotonic()) > 0:
        ctx.abort_signal.wait(min(0.02, left))
        if script["workMs"] > 1_000:
            write(ctx, "working")


def step(script, ctx, number):
    work(script, ctx)
    write(ctx, f"step-{number}")
    pass_point("body.acted")
    return {"epoch": ctx.epoch}


def decide(script, ctx):
    if script["steps"] == 0:
        work(script, ctx)
    if ctx.attempt <= script["failures"]:
        raise RuntimeError("as its script says")
    if script["finale"] == "fatal":
        raise FatalError("as its script says")
    if script["finale"] == "skip":
        ctx.skip("as its script says")


def returning(ctx, command):
    if command is not None:
        command.kill()
        command.wait()
    write(ctx, "returning")
    pass_point("body.returning")
    return {"run": ctx.run.id, "epoch": ctx.epoch}


def begin(script, ctx):
    write(ctx, "begun")
    pass_point("body.begun")
    return subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL) if script["command"] else None


def unit(script: dict, ctx: TaskContext):
    command = begin(script, ctx)
    for number in range(script["steps"]):
        ctx.step(f"step-{number}", lambda number=number: step(script, ctx, number))
        pass_point("body.recorded")
        ctx.log.info("a step is recorded", i=number)
        if number < script["naps"]:
            ctx.sleep(f"nap-{number}", "30ms")
            pass_point("body.woken")
    decide(script, ctx)
    return returning(ctx, command)


def metered(script: dict, ctx: TaskContext):
    return unit(script, ctx)


async def sitter(script: dict, ctx: AsyncTaskContext):
    """Until it is told to end."""
    command = begin(script, ctx)
    decide(script, ctx)
    await ctx.abort_signal.wait_async()
    pass_point("body.aborted")
    return returning(ctx, command)
