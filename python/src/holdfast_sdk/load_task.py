"""Finds a task's function: in a file relative to the project's root, or in a module by its dotted name."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from types import ModuleType
from typing import Any, List, Mapping

from .calling import Signature
from .converting import nearest
from .errors import AppError
from .loaded_code import LoadedCode
from .task import check_body

_GONE = "The run is pinned to code that is gone: put it back, or apply what is there now and start a new run of it."


def load_task(start: Mapping[str, Any], project_root: str, code: LoadedCode) -> Signature:
    """The body and its parameters. Raises AppError ``definition_missing``, and whatever the module raises."""
    if start["executor"] != "python":
        raise RuntimeError(f"A Python process was given a {start['executor']} task.")
    module_name, name = start["source"]["module"], start["source"]["export"]
    module = load_module(module_name, project_root, code)
    body = getattr(module, name, None)
    if body is None:
        names = [each for each in vars(module) if not each.startswith("_") and callable(getattr(module, each))]
        raise _missing(f"{module_name} has no function {name}.{nearest(name, names)}")
    try:
        check_body(body)
    except TypeError as wrong:
        raise _missing(f"{name} of {module_name} can be no task's body: {wrong}") from None
    return Signature(body, f"{name}()")


def load_module(name: str, project_root: str, code: LoadedCode) -> ModuleType:
    """A file by its path from the root, or a module by its dotted name. Raises AppError, and whatever the module raises."""
    is_file = name.endswith(".py") or "/" in name
    return _load_file(name, project_root, code) if is_file else _load_module(name, project_root)


def _load_file(module_name: str, project_root: str, code: LoadedCode) -> ModuleType:
    file = os.path.normpath(os.path.join(project_root, module_name))
    if not os.path.isfile(file):
        raise _missing(f"The module {module_name} is not there any more.")
    folder = os.path.dirname(file)
    root = _import_root(folder, project_root)
    _look_in([root, folder, project_root])
    name = _module_name(file, root)
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise _missing(f"{module_name} is no Python file.")
    module = importlib.util.module_from_spec(spec)
    code.note(file)
    sys.modules[name] = module  # before it runs: dataclasses and pickle look for it there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _load_module(name: str, project_root: str) -> ModuleType:
    _look_in([project_root])
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise _missing(f"The module {name} is not there any more.") from None
        raise


def _import_root(folder: str, project_root: str) -> str:
    """What a file's own imports start from: the nearest folder with a pyproject.toml up to the root, else its own."""
    at = folder
    while True:
        if os.path.isfile(os.path.join(at, "pyproject.toml")):
            return at
        if at in (os.path.normpath(project_root), os.path.dirname(at)):
            return folder
        at = os.path.dirname(at)


def _look_in(folders: List[str]) -> None:
    wanted = [folder for index, folder in enumerate(folders) if folder not in folders[:index]]
    sys.path[:] = wanted + [folder for folder in sys.path if folder not in wanted]


def _module_name(file: str, root: str) -> str:
    """The name by which others would import the file, unless that is taken: by the standard library for one."""
    parts = os.path.splitext(os.path.relpath(file, root))[0].split(os.sep)
    name = ".".join(parts)
    standard = getattr(sys, "stdlib_module_names", ())
    fits = all(part.isidentifier() for part in parts)
    return name if fits and parts[0] not in standard and name not in sys.modules else f"holdfast_task_{abs(hash(file))}"


def _missing(message: str) -> AppError:
    return AppError("definition_missing", message, hint=_GONE)
