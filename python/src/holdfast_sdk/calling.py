"""How a run's input becomes the arguments of a body.

1. A parameter annotated with a context class, or named ``ctx``, gets the context; the others are for the input.
2. An object gives each parameter what it has under the parameter's name; what no parameter takes is left out, and said.
3. Where there is one parameter, whose name the object does not have, and which may be a whole object (a dataclass, a dict,
   a model, no annotation), it gets all of it. Any other input goes to the one parameter as it is.
4. Annotations are followed: dataclasses are constructed, dates read, lists and dicts walked.
"""

from __future__ import annotations

import inspect
from typing import Any, Callable, Dict, List, Tuple

from .context import AsyncTaskContext, Context, TaskContext
from .converting import InputMismatch, convert, describe, hints_of, is_record, nearest
from .errors import AppError
from .task import task_options

_EMPTY = inspect.Parameter.empty
_NAMED = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Signature:
    """The parameters of a body, read once."""

    def __init__(self, body: Callable[..., Any], name: str) -> None:
        self.body = body
        self.name = name
        self.is_async = inspect.iscoroutinefunction(inspect.unwrap(body))
        hints = hints_of(body if inspect.isroutine(body) else getattr(body, "__call__", body))
        self._parameters = [
            parameter.replace(annotation=hints.get(parameter.name, parameter.annotation))
            for parameter in inspect.signature(body).parameters.values()
        ]
        self.options = task_options(body)
        self._context_names = [each.name for each in self._parameters if self._is_context(each)]
        self._inputs = [
            each for each in self._parameters if each.kind in _NAMED and each.name not in self._context_names
        ]
        self._takes_more = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in self._parameters)

    def bind(self, given: Any, context: Context) -> Tuple[List[Any], Dict[str, Any]]:
        """Positional and named arguments. Raises AppError ``invalid_input``."""
        try:
            values, surplus = self._values(given)
        except InputMismatch as mismatch:
            raise AppError("invalid_input", f"The input does not fit {self.name}: {mismatch}.") from None
        # A clean-up takes of the input what it needs.
        for key in surplus if context.reason is None else []:
            hint = nearest(key, [each.name for each in self._inputs])
            context.log.warning(f'"{key}" of the input is no parameter of {self.name} and is left out.{hint}')
        values.update({name: context for name in self._context_names})
        positional: List[Any] = []
        named: Dict[str, Any] = {}
        for parameter in self._parameters:
            if parameter.name not in values:
                continue
            value = values.pop(parameter.name)
            if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
                positional.append(value)
            else:
                named[parameter.name] = value
        return positional, {**named, **values}

    def _is_context(self, parameter: inspect.Parameter) -> bool:
        if parameter.kind not in _NAMED:
            return False
        kind = parameter.annotation
        if isinstance(kind, type) and issubclass(kind, Context):
            fits = AsyncTaskContext if self.is_async else TaskContext
            if kind not in (Context, fits):
                body = "async: its" if self.is_async else "not async: its"
                raise TypeError(f"{self.name} is {body} context is {fits.__name__}, not {kind.__name__}.")
            return True
        return parameter.name == "ctx"

    def _values(self, given: Any) -> Tuple[Dict[str, Any], List[str]]:
        optional = all(each.default is not _EMPTY for each in self._inputs)
        if given is None and optional:
            return {}, []
        if not isinstance(given, dict):
            return self._whole(given)
        if len(self._inputs) == 1 and not self._takes_more:
            (only,) = self._inputs
            if only.name not in given and not (not given and optional) and is_record(only.annotation):
                return self._whole(given)
        return self._by_name(given)

    def _whole(self, given: Any) -> Tuple[Dict[str, Any], List[str]]:
        if len(self._inputs) != 1:
            count = len(self._inputs)
            takes = "takes no input" if count == 0 else f"takes {count} parameters, so that it has to be an object"
            raise InputMismatch(f"it is {describe(given)}, and {self.name} {takes}")
        (only,) = self._inputs
        return {only.name: self._converted(given, only, "it")}, []

    def _by_name(self, given: Dict[str, Any]) -> Tuple[Dict[str, Any], List[str]]:
        values: Dict[str, Any] = {}
        for parameter in self._inputs:
            if parameter.name in given:
                values[parameter.name] = self._converted(given[parameter.name], parameter, parameter.name)
            elif parameter.default is _EMPTY:
                raise InputMismatch(f'"{parameter.name}" is missing.{nearest(parameter.name, given)}'.rstrip("."))
        others = {key: value for key, value in given.items() if key not in values}
        if self._takes_more:
            return {**values, **others}, []
        return values, list(others)

    def _converted(self, value: Any, parameter: inspect.Parameter, place: str) -> Any:
        return convert(value, parameter.annotation, place) if self.options.convert else value
