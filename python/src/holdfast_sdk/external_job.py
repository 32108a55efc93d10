"""A job of another system, as bodies describe it (sdk/src/external/external-job.ts)."""

from __future__ import annotations

from typing import Any, Awaitable, Callable, Dict, List, Mapping, Optional, Union

from . import limits

_NOT_GIVEN = object()

Submit = Callable[[str], Union["ExternalJob", Awaitable["ExternalJob"]]]
"""Calls a service with the submission's token, 32 hexadecimal digits, and answers the job that it has started."""


class ExternalJob:
    """What is to be started in another system, or what names a job that has been started. Made by the classes of this package that
    are named for services."""

    def __init__(
        self,
        service: str,
        *,
        connection: Optional[str] = None,
        spec: Any = _NOT_GIVEN,
        ref: Any = _NOT_GIVEN,
        submit: Optional[Submit] = None,
    ) -> None:
        _check_name("service", service)
        if connection is not None:
            _check_name("connection", connection)
        if sum([spec is not _NOT_GIVEN, ref is not _NOT_GIVEN, submit is not None]) != 1:
            raise TypeError(f"A job of {service} has exactly one of spec, ref and submit.")
        self.service = service
        """The name of a configured connection; None: the one that is called like the service."""
        self.connection = connection
        self._asked: Dict[str, Any] = {}
        if spec is not _NOT_GIVEN:
            self._asked["spec"] = spec
        elif ref is not _NOT_GIVEN:
            self._asked["ref"] = ref
        self._submit = submit

    def to_dict(self) -> Dict[str, Any]:
        """What names a job that has been started, in Ork's form where Ork knows the service: for ``{"deferred": [job.to_dict()]}``.

        Raises TypeError for a job that is still to be started."""
        ref = self._asked.get("ref")
        if not isinstance(ref, dict):
            raise TypeError(f"The job of {self.service} is not started yet: return it as it is, or wait for it by ctx.external.")
        place = {} if self.connection is None else {"connection": self.connection}
        return {**ref, **place}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.service!r}, {self._asked or 'own'})"


class ExternalJobError(Exception):
    """An external job did not succeed. Its message is what the service says."""

    def __init__(self, key: str, record: Mapping[str, Any]) -> None:
        job = record.get("job") or {}
        error = record.get("error") or {}
        details = error.get("details")
        self.service: str = job.get("service", "")
        self.id: str = job.get("id", "")
        """The id by which the control plane knows it: ``holdfast external-jobs show ID``."""
        self.external_id: Optional[str] = job.get("externalId")
        """The job's name in its service; None where it is not known."""
        self.status: str = record.get("status", "failed")
        """How it ended: ``failed``, ``cancelled``, ``lost`` (nobody knows what became of it), or ``succeeded`` where its result cannot be
        kept (``unkept_result``)."""
        code = error.get("code", self.status)
        self.code = str(details["code"] if isinstance(details, dict) and "code" in details else code)
        """The service's own code, or ours."""
        self.hint: Optional[str] = error.get("hint")
        """What to do about it, where that is known."""
        self.links: List[Mapping[str, Any]] = list(job.get("links", ()))
        message = error.get("message", "The service gives no reason.")
        super().__init__(f'"{key}" ({self.external_id or self.id} of {self.service}) {self.status}: {message}')


class Deferred:
    """Made by ``deferred``."""

    def __init__(self, value: Any, enough: Union[int, str]) -> None:
        self.value = value
        self.enough = enough


def deferred(value: Any, *, enough: Union[int, str] = "all") -> Deferred:
    """Data with jobs in it, for a body to return: the run waits for the jobs and then succeeds with the data, each job replaced by
    what came of it.

    ``enough``: how many have to succeed; ``"any"`` is one, ``"all"`` each. Once so many have, the others are ended, and None
    stands for them. Raises ValueError for what is none of these.
    """
    is_count = isinstance(enough, int) and not isinstance(enough, bool) and enough > 0
    if enough not in ("all", "any") and not is_count:
        raise ValueError(f'enough is "all", "any" or a number of jobs from 1, not {enough!r}.')
    return Deferred(value, enough)


def given(**fields: Any) -> Dict[str, Any]:
    """The fields that are given."""
    return {name: value for name, value in fields.items() if value is not None}


def _check_name(what: str, name: Any) -> None:
    if not isinstance(name, str) or not 0 < len(name) <= limits.ID_CHARACTERS:
        raise TypeError(f"A job's {what} is a text of 1 to {limits.ID_CHARACTERS} characters.")
