"""Jobs in what a body returns: the control plane waits for them, and the run succeeds with what came of each in its place. The body
does not run again for it (sdk/src/returned-jobs.ts)."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

from .external_job import Deferred, ExternalJob
from .stored_value import Step, stored_value


def without_jobs(returned: Any) -> Dict[str, Any]:
    """What is to be said of it: jobs apart from the data that they are part of. Raises TypeError for what JSON cannot keep."""
    value, enough = (returned.value, returned.enough) if isinstance(returned, Deferred) else (returned, "all")
    jobs: List[Dict[str, Any]] = []

    def take(job: ExternalJob, path: Tuple[Step, ...]) -> None:
        if job._submit is not None:
            raise TypeError("It has a job that the body has not started: wait for it by ctx.external.")
        place: Dict[str, Any] = {"path": list(path), **place_of(job)}
        jobs.append({**place, **stored_value(job._asked, f"The job of {job.service}")})

    output = stored_value(value, "It", take)
    if not jobs:
        return {"output": output}
    needed = {"all": len(jobs), "any": 1}.get(str(enough), enough)
    if not isinstance(needed, int) or needed > len(jobs):
        raise ValueError(f"{needed} jobs would be enough, and there are {len(jobs)}.")
    return {"output": output, "jobs": jobs, **({} if needed == len(jobs) else {"enough": needed})}


def place_of(job: ExternalJob) -> Dict[str, Any]:
    """Where a job is."""
    return {"service": job.service, **({} if job.connection is None else {"connection": job.connection})}
