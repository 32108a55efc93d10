"""What the tasks of a module declare of their state, for a manifest. Run when a project is compiled, in a process of its own: it loads the
module as a task's process does, and answers on what was standard output, so that nothing that is printed meanwhile is taken for it."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Dict

from .load_task import load_module
from .loaded_code import LoadedCode
from .task import TaskOptions, task_options


def main() -> None:
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    asked = json.load(sys.stdin)
    try:
        module = load_module(asked["module"], asked["root"], LoadedCode())
        said: Dict[str, Any] = {"tasks": {name: _spec(task_options(each)) for name, each in vars(module).items() if callable(each)}}
    except BaseException as error:  # also SystemExit: the module ends the process that loads it
        said = {"problem": f"{type(error).__name__}: {error}"}
    answer.write(json.dumps(said))
    answer.flush()
    os._exit(0)  # threads that the module has left behind are not waited for


def _spec(options: TaskOptions) -> Dict[str, Any]:
    specs = {"state": options.state.spec(), "taskState": options.task_state.spec()}
    return {name: spec for name, spec in specs.items() if spec is not None}
