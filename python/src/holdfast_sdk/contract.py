"""What a body, and what it starts, finds in the environment about its run (DESIGN §3.4), Ork's names included."""

from __future__ import annotations

import os
from typing import Any, Dict, Mapping

from . import limits
from .framing import json_text
from .text import utf8_bytes

_NAMES = (
    "HOLDFAST_RUN_ID",
    "HOLDFAST_ATTEMPT",
    "ORK_RUN_ID",
    "ORK_ATTEMPT",
    "ORK_TASK_NAME",
    "ORK_WORKFLOW_NAME",
    "ORK_TASK_FILE",
    "ORK_TASK_MODULE",
    "ORK_TASK_FUNCTION",
    "ORK_INPUT_JSON",
    "EXECUTION_ID",
    "TRACEPARENT",
)


def enter_run(start: Mapping[str, Any], project_root: str) -> None:
    """Sets the variables of this activation in place of those of an earlier one, and writes the input's file."""
    run, source = start["run"], start["source"]
    text = json_text(start["input"])
    values: Dict[str, str] = {
        "HOLDFAST_RUN_ID": run["id"],
        "HOLDFAST_ATTEMPT": str(start["attempt"]),
        "ORK_RUN_ID": run["rootId"],
        "ORK_ATTEMPT": str(start["attempt"]),
        "ORK_TASK_NAME": run["name"],
        "ORK_TASK_FUNCTION": source["export"],
        "EXECUTION_ID": f"{run['id']}-{start['epoch']}",
    }
    if run["workflow"] is not None:
        values["ORK_WORKFLOW_NAME"] = run["workflow"]
    if source["module"].endswith(".py"):
        values["ORK_TASK_FILE"] = os.path.join(project_root, source["module"])
    else:
        values["ORK_TASK_MODULE"] = source["module"]
    if utf8_bytes(text) <= limits.INPUT_VARIABLE_BYTES:
        values["ORK_INPUT_JSON"] = text
    if start.get("traceparent") is not None:
        values["TRACEPARENT"] = start["traceparent"]
    for name in _NAMES:
        os.environ.pop(name, None)
    os.environ.update({name: value for name, value in values.items() if "\x00" not in value})
    _write_input(text)


def _write_input(text: str) -> None:
    """The file is this process's own; its supervisor removes it."""
    file = os.environ.get("HOLDFAST_INPUT")
    if file is None:
        return
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except FileNotFoundError:  # its folder was tidied away: a name that leads nowhere helps nobody
        del os.environ["HOLDFAST_INPUT"]
        return
    with open(descriptor, "wb") as out:
        out.write(text.encode("utf-8"))
