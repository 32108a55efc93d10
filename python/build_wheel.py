"""Builds the wheel with the standard library alone: ``python build_wheel.py [FOLDER]``, or by pip as a PEP 517 backend."""

import base64
import hashlib
import re
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

HERE = Path(__file__).resolve().parent
PACKAGE = "holdfast_sdk"
# Wheels of the same sources are the same bytes.
_MOMENT = (2026, 1, 1, 0, 0, 0)


def build_wheel(wheel_directory: str, config_settings: Any = None, metadata_directory: Optional[str] = None) -> str:
    """Writes the wheel and answers its name."""
    project = _project()
    info = f"{PACKAGE}-{project['version']}.dist-info"
    files: List[Tuple[str, bytes]] = [
        (file.relative_to(HERE / "src").as_posix(), file.read_bytes()) for file in _sources()
    ]
    files.append((f"{info}/METADATA", _metadata(project).encode()))
    files.append((f"{info}/WHEEL", b"Wheel-Version: 1.0\nGenerator: holdfast\nRoot-Is-Purelib: true\nTag: py3-none-any\n"))
    record = "".join(f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in files)
    files.append((f"{info}/RECORD", f"{record}{info}/RECORD,,\n".encode()))
    name = f"{PACKAGE}-{project['version']}-py3-none-any.whl"
    folder = Path(wheel_directory)
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, data in files:
            entry = zipfile.ZipInfo(path, _MOMENT)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            wheel.writestr(entry, data)
    return name


def build_sdist(sdist_directory: str, config_settings: Any = None) -> str:
    """Writes the source archive and answers its name."""
    stem = f"{PACKAGE}-{_project()['version']}"
    with tarfile.open(Path(sdist_directory) / f"{stem}.tar.gz", "w:gz") as archive:
        for file in [*_sources(), *(HERE / name for name in ("pyproject.toml", "README.md", "build_wheel.py"))]:
            archive.add(file, f"{stem}/{file.relative_to(HERE).as_posix()}")
    return f"{stem}.tar.gz"


def _sources() -> List[Path]:
    return sorted(file for file in (HERE / "src" / PACKAGE).rglob("*") if file.suffix == ".py" or file.name == "py.typed")


def _project() -> Dict[str, str]:
    """The plain entries of pyproject.toml; tomllib is younger than the oldest Python that is served."""
    text = (HERE / "pyproject.toml").read_text("utf-8")
    return dict(re.findall(r'^([a-z-]+) = "(.*)"$', text.split("[project]", 1)[1], re.MULTILINE))


def _metadata(project: Dict[str, str]) -> str:
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {project['name']}",
        f"Version: {project['version']}",
        f"Summary: {project['description']}",
        f"License: {project['license']}",
        f"Requires-Python: {project['requires-python']}",
        "Description-Content-Type: text/markdown",
        "",
        (HERE / "README.md").read_text("utf-8"),
    ]
    return "\n".join(lines)


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


if __name__ == "__main__":
    target = sys.argv[1] if len(sys.argv) > 1 else "dist"
    print(Path(target) / build_wheel(target))
