"""Holdfast runs work that must not be lost. This package is what Python tasks import.

A task's body is a plain annotated function that a workflow's file names; it may ask for its context::

    from holdfast_sdk import TaskContext

    def charge(order: str, amount: float, ctx: TaskContext) -> dict:
        receipt = ctx.step("charge", lambda: bank.charge(amount, token=ctx.token("charge")))
        ctx.log.info("charged", order=order)
        return {"receipt": receipt}
"""

from .abort import AbortSignal
from .asking import StartedRun
from .asset_changes import Advanced, AssetEvent, Emitted
from .assets import Asset, AsyncAsset
from .clean_up import CancelReason
from .context import AsyncTaskContext, Context, RunIdentity, TaskContext
from .errors import AppError
from .external import (
    BigQueryJob,
    CloudRunJob,
    CustomHttp,
    DataprocBatch,
    DataprocJob,
    KubernetesJob,
    custom_job,
    mock_job,
)
from .external_job import ExternalJob, ExternalJobError, deferred
from .reports import TaskLog
from .state import AsyncState, State
from .state_changes import StateChange, StateChanges, StateEntry, StateResult
from .state_schema import VersionedState
from .steering import Aborted, FatalError, RetryAfter
from .task import task
from .version import VERSION as __version__
from .wait_context import OpenWait, OpenWaits, Wait
from .wait_errors import CallError, WaitTimedOut
from .wait_nodes import RaceResult

__all__ = [
    "Aborted",
    "AbortSignal",
    "Advanced",
    "AppError",
    "Asset",
    "AssetEvent",
    "AsyncAsset",
    "AsyncState",
    "AsyncTaskContext",
    "BigQueryJob",
    "CallError",
    "CancelReason",
    "CloudRunJob",
    "Context",
    "CustomHttp",
    "DataprocBatch",
    "DataprocJob",
    "Emitted",
    "ExternalJob",
    "ExternalJobError",
    "FatalError",
    "KubernetesJob",
    "OpenWait",
    "OpenWaits",
    "RaceResult",
    "RetryAfter",
    "RunIdentity",
    "StartedRun",
    "State",
    "StateChange",
    "StateChanges",
    "StateEntry",
    "StateResult",
    "TaskContext",
    "TaskLog",
    "VersionedState",
    "Wait",
    "WaitTimedOut",
    "__version__",
    "custom_job",
    "deferred",
    "mock_job",
    "task",
]
