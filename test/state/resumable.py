"""Bodies around one job of another system (resumable.test.ts)."""

from holdfast_sdk import BigQueryJob, FatalError, TaskContext


def plain(how: str, ctx: TaskContext, key: str = "scan"):
    result = ctx.external(key, job_of(how, ctx))
    return ended(how, ctx, result)


def job_of(how: str, ctx):
    def start(token):
        with open("started", "a") as log:
            log.write(f"{ctx.run.id} {token}\n")
        return None if how == "starts nothing" and ctx.attempt == 1 else BigQueryJob("p", token, "EU")

    return BigQueryJob.own(start) if how in ("starts itself", "starts nothing") else BigQueryJob.query("SELECT 1")


def ended(how: str, ctx, result):
    if how == "fails afterwards" and ctx.attempt == 1:
        raise FatalError("after its job")
    return result
