"""The decorator of tasks. None is needed: any function that a definition names is a task's body."""

from __future__ import annotations

import inspect
from typing import Any, Callable, Optional, TypeVar, Union, overload

F = TypeVar("F", bound=Callable[..., Any])

_MARK = "__holdfast_task__"


class TaskOptions:
    """What ``@task`` was told."""

    def __init__(self, convert: bool) -> None:
        self.convert = convert


@overload
def task(function: F) -> F: ...


@overload
def task(*, convert: bool = True) -> Callable[[F], F]: ...


def task(function: Optional[F] = None, *, convert: bool = True) -> Union[F, Callable[[F], F]]:
    """Marks a function as a task's body, and checks it when its module is loaded. The function stays as it is.

    ``convert=False``: its input is given as JSON has it, whatever the annotations say.
    Raises TypeError for what cannot be a body: a generator, or something that is not callable.
    """

    def mark(body: F) -> F:
        check_body(body)
        setattr(body, _MARK, TaskOptions(convert))
        return body

    return mark if function is None else mark(function)


def check_body(body: Any) -> None:
    """Raises TypeError for what cannot be a body."""
    name = getattr(body, "__name__", repr(body))
    if not callable(body):
        raise TypeError(f"{name} is not a function.")
    plain = inspect.unwrap(body)
    if inspect.isgeneratorfunction(plain) or inspect.isasyncgenfunction(plain):
        raise TypeError(f"{name} is a generator: a task's body returns its result, it does not yield.")


def task_options(body: Any) -> TaskOptions:
    options = getattr(body, _MARK, None)
    return options if isinstance(options, TaskOptions) else TaskOptions(convert=True)
