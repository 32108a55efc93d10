"""Jobs of other systems (sdk/src/external). An object of one of these classes names a job that has been started, as with Ork; the
functions of the class that start one answer what the control plane is to start, once.

Either goes to ``ctx.external``, or is what a body returns, by itself or in lists and data. ``own`` is for a job that the body starts
by itself.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional

from .external_job import ExternalJob, Submit, given

Fields = Mapping[str, Any]


class ServiceJob(ExternalJob):
    """A job of a service that is known here."""

    SERVICE = ""

    @classmethod
    def own(cls, submit: Submit, *, connection: Optional[str] = None) -> ExternalJob:
        """A job that the body starts by itself, for ``ctx.external``.

        ``submit`` calls the service with the submission's token, as the job's name or as its idempotency key, and answers an object
        of this class. It runs again, with the same token, when the process dies before its answer is recorded.
        """
        return ExternalJob(cls.SERVICE, connection=connection, submit=submit)


class BigQueryJob(ServiceJob):
    """A job of BigQuery that has been started. ``rows``: so many of its first rows, at most 1,000, belong to the result."""

    SERVICE = "bigquery"

    def __init__(
        self, project: str, job_id: str, location: str, *, rows: Optional[int] = None, connection: Optional[str] = None
    ) -> None:
        self.project, self.job_id, self.location = project, job_id, location
        ref = {"project": project, "job_id": job_id, "location": location, "service_type": "bigquery"}
        super().__init__("bigquery", connection=connection, ref={**ref, **given(rows=rows)})

    @staticmethod
    def query(
        sql: str,
        *,
        params: Optional[Fields] = None,
        rows: Optional[int] = None,
        project: Optional[str] = None,
        location: Optional[str] = None,
        labels: Optional[Mapping[str, str]] = None,
        connection: Optional[str] = None,
    ) -> ExternalJob:
        """A query in Standard SQL; ``@name`` stands for a parameter. What is left out, the connection says."""
        spec = given(sql=sql, params=params, rows=rows, project=project, location=location, labels=labels)
        return ExternalJob("bigquery", connection=connection, spec=spec)

    @staticmethod
    def start(
        configuration: Fields,
        *,
        project: Optional[str] = None,
        location: Optional[str] = None,
        labels: Optional[Mapping[str, str]] = None,
        connection: Optional[str] = None,
    ) -> ExternalJob:
        """Any job, by its ``configuration`` as jobs.insert takes it: a load, an extract, a copy."""
        spec = given(configuration=configuration, project=project, location=location, labels=labels)
        return ExternalJob("bigquery", connection=connection, spec=spec)


class CloudRunJob(ServiceJob):
    """An execution of a Cloud Run job that has been started."""

    SERVICE = "cloudrun"

    def __init__(
        self, project: str, region: str, job_name: str, execution_id: str, *, connection: Optional[str] = None
    ) -> None:
        self.project, self.region, self.job_name, self.execution_id = project, region, job_name, execution_id
        ref = {"project": project, "region": region, "job_name": job_name, "execution_id": execution_id}
        named = {"service_type": "cloudrun", "job_id": "/".join(ref.values())}
        super().__init__("cloudrun", connection=connection, ref={**ref, **named})

    @staticmethod
    def start(
        job: str,
        *,
        container: Optional[str] = None,
        args: Optional[List[str]] = None,
        env: Optional[Mapping[str, str]] = None,
        task_count: Optional[int] = None,
        timeout: Optional[str] = None,
        project: Optional[str] = None,
        region: Optional[str] = None,
        connection: Optional[str] = None,
    ) -> ExternalJob:
        """Starts a job that is there. ``container``: the one that is told, needed where it has several. ``timeout``: ``"600s"``."""
        told = given(container=container, args=args, env=env, taskCount=task_count, timeout=timeout)
        spec = {"job": job, **told, **given(project=project, region=region)}
        return ExternalJob("cloudrun", connection=connection, spec=spec)


class DataprocJob(ServiceJob):
    """A job on a Dataproc cluster that has been started."""

    SERVICE = "dataproc"

    def __init__(
        self, project: str, region: str, cluster_name: str, job_id: str, *, connection: Optional[str] = None
    ) -> None:
        self.project, self.region, self.cluster_name, self.job_id = project, region, cluster_name, job_id
        ref = {"project": project, "region": region, "cluster_name": cluster_name, "job_id": job_id}
        super().__init__("dataproc", connection=connection, ref={**ref, "service_type": "dataproc"})

    @staticmethod
    def start(
        cluster: str,
        job: Fields,
        *,
        project: Optional[str] = None,
        region: Optional[str] = None,
        connection: Optional[str] = None,
    ) -> ExternalJob:
        """Work on a cluster: what jobs:submit takes beside reference and placement, ``{"pysparkJob": {…}}``."""
        spec = {"cluster": cluster, "job": job, **given(project=project, region=region)}
        return ExternalJob("dataproc", connection=connection, spec=spec)


class DataprocBatch(ServiceJob):
    """A serverless batch of Dataproc that has been started."""

    SERVICE = "dataproc_batch"

    def __init__(self, project: str, region: str, batch_id: str, *, connection: Optional[str] = None) -> None:
        ref = {"project": project, "region": region, "batch_id": batch_id}
        super().__init__("dataproc_batch", connection=connection, ref=ref)

    @staticmethod
    def start(
        batch: Fields, *, project: Optional[str] = None, region: Optional[str] = None, connection: Optional[str] = None
    ) -> ExternalJob:
        """Starts a batch: what batches.create takes, ``{"pysparkBatch": {…}, "runtimeConfig": {…}}``."""
        spec = {"batch": batch, **given(project=project, region=region)}
        return ExternalJob("dataproc_batch", connection=connection, spec=spec)


class KubernetesJob(ServiceJob):
    """A Kubernetes Job that has been made; with its ``uid``, another one of the same name is not taken for it."""

    SERVICE = "kubernetes"

    def __init__(
        self, name: str, *, namespace: Optional[str] = None, uid: Optional[str] = None, connection: Optional[str] = None
    ) -> None:
        super().__init__("kubernetes", connection=connection, ref={"name": name, **given(namespace=namespace, uid=uid)})

    @staticmethod
    def start(
        image: Optional[str] = None,
        *,
        command: Optional[List[str]] = None,
        args: Optional[List[str]] = None,
        env: Optional[Mapping[str, str]] = None,
        service_account: Optional[str] = None,
        job: Optional[Fields] = None,
        namespace: Optional[str] = None,
        connection: Optional[str] = None,
    ) -> ExternalJob:
        """Makes a Job: of one container, started once, or of a whole ``job``."""
        container = given(image=image, command=command, args=args, env=env, serviceAccount=service_account)
        spec = {**container, **given(job=job, namespace=namespace)}
        return ExternalJob("kubernetes", connection=connection, spec=spec)


class CustomHttp(ServiceJob):
    """A job behind an address that answers JSON with its status."""

    SERVICE = "http"

    def __init__(
        self,
        url: str,
        method: str = "GET",
        headers: Optional[Mapping[str, str]] = None,
        success_status_codes: Optional[List[int]] = None,
        completion_field: str = "status",
        completion_value: str = "completed",
        failure_value: Optional[str] = None,
        *,
        connection: Optional[str] = None,
    ) -> None:
        self.url = url
        ref: Dict[str, Any] = {"url": url, "method": method, "headers": dict(headers or {})}
        ref["success_status_codes"] = [200] if success_status_codes is None else success_status_codes
        ref.update(given(failure_value=failure_value))
        named = {"service_type": "custom_http", "job_id": url}
        status = {"status_field": completion_field, "success_value": completion_value}
        super().__init__("http", connection=connection, ref={**ref, **named, **status})

    @staticmethod
    def start(
        submit: Fields, poll: Fields, *, capture: Optional[Mapping[str, str]] = None, connection: Optional[str] = None
    ) -> ExternalJob:
        """Starts a job by one call and asks for it by another, as the ``http`` of TypeScript: ``{token}`` stands for the
        submission's token, with which it is started once; ``{id}`` for what ``capture={"id": "/id"}`` takes from the answer."""
        return ExternalJob("http", connection=connection, spec=given(submit=submit, poll=poll, capture=capture))


def mock_job(outcome: str, name: str = "job") -> ExternalJob:
    """``"success"``, ``"failed"`` or ``"running"``: has ended so at once, or runs until it is cancelled. Refused but under ``holdfast dev``, in tests, and where ``mockJobs`` allows it."""
    ref = {"url": f"mock://{outcome}/{name}", "statuses": {"succeeded": ["success"]}}
    return ExternalJob("http", ref=ref)


def custom_job(
    service: str, *, spec: Any = None, ref: Any = None, connection: Optional[str] = None
) -> ExternalJob:
    """A job of a service that has no class here: of a tracker of one's own."""
    if (spec is None) == (ref is None):
        raise TypeError(f"A job of {service} has exactly one of spec and ref.")
    return ExternalJob(service, connection=connection, **given(spec=spec, ref=ref))
