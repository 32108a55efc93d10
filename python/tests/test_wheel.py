"""Faults to catch: a wheel that pip does not take, that needs the network, or that misses a file; versions that differ."""

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
import unittest
import venv
import zipfile
from pathlib import Path

import holdfast_sdk

PYTHON = Path(__file__).resolve().parents[1]


class WheelTest(unittest.TestCase):
    def build(self, folder):
        said = subprocess.run(
            [sys.executable, PYTHON / "build_wheel.py", folder], check=True, capture_output=True, text=True
        )
        return Path(said.stdout.strip())

    def test_it_has_every_file_and_the_same_bytes_each_time(self):
        with tempfile.TemporaryDirectory() as folder:
            first = self.build(Path(folder) / "a")
            second = self.build(Path(folder) / "b")
            self.assertEqual(first.read_bytes(), second.read_bytes())
            names = zipfile.ZipFile(first).namelist()
            sources = {f"holdfast_sdk/{file.name}" for file in (PYTHON / "src" / "holdfast_sdk").glob("*.py")}
            self.assertEqual({name for name in names if name.endswith(".py")}, sources)
            self.assertIn("holdfast_sdk/py.typed", names)

    def test_pip_installs_it_without_the_network(self):
        if importlib.util.find_spec("ensurepip") is None and importlib.util.find_spec("pip") is None:
            self.skipTest("this Python has no pip")
        with tempfile.TemporaryDirectory() as folder:
            wheel = self.build(folder)
            target = Path(folder) / "venv"
            venv.create(target, with_pip=importlib.util.find_spec("ensurepip") is not None)
            python = target / "bin" / "python"
            pip = [python if importlib.util.find_spec("ensurepip") else sys.executable, "-m", "pip"]
            site = subprocess.run(
                [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
                check=True,
                capture_output=True,
                text=True,
            ).stdout.strip()
            install = ["install", "--quiet", "--no-index", "--no-deps", "--target", site, wheel]
            subprocess.run([*pip, *install], check=True, capture_output=True)
            said = subprocess.run(
                [python, "-c", "import holdfast_sdk; print(holdfast_sdk.__version__)"],
                check=True,
                capture_output=True,
                text=True,
                cwd=folder,
            )
            self.assertEqual(said.stdout.strip(), holdfast_sdk.__version__)

    def test_the_version_is_that_of_the_other_packages(self):
        workspace = json.loads((PYTHON.parent / "package.json").read_text("utf-8"))
        project = (PYTHON / "pyproject.toml").read_text("utf-8")
        self.assertEqual(holdfast_sdk.__version__, workspace["version"])
        self.assertEqual(re.findall(r'^version = "(.*)"', project, re.MULTILINE), [workspace["version"]])
