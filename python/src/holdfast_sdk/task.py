"""The decorator of tasks. None is needed: any function that a definition names is a task's body."""

from __future__ import annotations

import inspect
from typing import Any, Callable, Optional, TypeVar, Union, overload

from .state_schema import StateDeclaration, StateSchema

F = TypeVar("F", bound=Callable[..., Any])

_MARK = "__holdfast_task__"


class TaskOptions:
    """What ``@task`` was told."""

    def __init__(
        self, convert: bool = True, state: Optional[StateDeclaration] = None, task_state: Optional[StateDeclaration] = None
    ) -> None:
        self.convert = convert
        self.state = StateSchema(state)
        self.task_state = StateSchema(task_state)


@overload
def task(function: F) -> F: ...


@overload
def task(
    *, convert: bool = True, state: Optional[StateDeclaration] = None, task_state: Optional[StateDeclaration] = None
) -> Callable[[F], F]: ...


def task(
    function: Optional[F] = None,
    *,
    convert: bool = True,
    state: Optional[StateDeclaration] = None,
    task_state: Optional[StateDeclaration] = None,
) -> Union[F, Callable[[F], F]]:
    """Marks a function as a task's body, and checks it when its module is loaded. The function stays as it is.

    ``convert=False``: its input is given as JSON has it, whatever the annotations say.
    ``state`` of each run, ``task_state`` of the task over all its runs: a class (a TypedDict, a dataclass, or one that only annotates)
    whose annotated names are the keys; with a version and a migration in a ``VersionedState``. Other keys, and values that do not fit,
    are refused with TypeError before anything is written.
    Raises TypeError for what cannot be a body: a generator, or something that is not callable; and for a declaration that is none.
    """
    options = TaskOptions(convert, state, task_state)

    def mark(body: F) -> F:
        check_body(body)
        setattr(body, _MARK, options)
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
    return options if isinstance(options, TaskOptions) else TaskOptions()
