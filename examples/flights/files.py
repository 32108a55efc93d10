"""What files.ts is for TypeScript: a file appears whole or not at all, and the same content always gets the same name."""

import hashlib
import json
import os
import uuid

EXTRACTS = ["flights-2k.json", "flights-5k.json", "flights-10k.json", "flights-20k.json"]


def read_extracts(source):
    """The records of all extracts of a source, one list each. They overlap."""
    extracts = []
    for name in EXTRACTS:
        with open(os.path.join(_source_folder(source), name), encoding="utf-8") as file:
            records = json.load(file)
        if not isinstance(records, list):
            raise ValueError(f"{name} of {source}: expected a list of records.")
        extracts.append(records)
    return extracts


def keep(name, value):
    """Keeps a value for later tasks, of either language. Answers the file's name, which carries the hash of its content."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    file = f"{name}.{_hash_of(text)}.json"
    _write_whole(_path_of(file), text)
    return file


def kept(file):
    """A kept value. The name's hash is checked, so nobody else wrote it."""
    with open(_path_of(file), "rb") as content:
        text = content.read()
    if not file.endswith(f".{_hash_of(text)}.json"):
        raise ValueError(f"{file} was changed since it was written.")
    return json.loads(text)


def _write_whole(path, text):
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    # An attempt that was given up may still be writing beside its successor, so each has a draft of its own.
    draft = f"{path}.{uuid.uuid4()}.draft"
    with open(draft, "xb") as file:
        file.write(text)
        file.flush()
        # The store will remember that this task is done, so its file must be on the disk before.
        os.fsync(file.fileno())
    os.replace(draft, path)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _source_folder(source):
    """The folder with the published files: the npm package's own for `vega-datasets`, else the path itself."""
    if source != "vega-datasets":
        return os.path.abspath(source)
    at = os.path.dirname(os.path.abspath(__file__))
    while True:
        data = os.path.join(at, "node_modules", source, "data")
        if os.path.isdir(data):
            return data
        if os.path.dirname(at) == at:
            raise FileNotFoundError(f"The npm package {source} is not installed.")
        at = os.path.dirname(at)


def _path_of(file):
    """Tasks run with the project's root as their current folder."""
    return os.path.abspath(os.path.join(".holdfast", "flights", file))


def _hash_of(text):
    return hashlib.sha256(text).hexdigest()[:16]
