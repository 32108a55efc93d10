"""A real child with a real socket pair, and no node. Faults to catch: user code loaded before it is asked for; a child that
outlives its supervisor; an activation carried out twice or not at all."""

import signal
import socket
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from holdfast_sdk.framing import FrameDecoder, encode_frame

from .golden import FIXTURES

SOURCES = str(Path(__file__).resolve().parents[1] / "src")
TASK = """
import os
open("loaded", "w").close()

def main(day: str, ctx):
    return {"day": day, "export": ctx.step("export", lambda: "not run"), "channel": os.environ.get("HOLDFAST_CHANNEL_FD")}

def hang():
    os.write(1, b"hanging\\n")
    while True:
        pass
"""


class ChildTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        (self.root / "tasks").mkdir()
        (self.root / "tasks" / "clean.py").write_text(TASK)
        ours, theirs = socket.socketpair()
        self.socket = ours
        self.process = subprocess.Popen(
            [sys.executable, "-B", "-m", "holdfast_sdk.child"],
            cwd=self.root,
            env={"PYTHONPATH": SOURCES, "HOLDFAST_CHANNEL_FD": str(theirs.fileno())},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        theirs.close()
        self.addCleanup(self.end)
        self.decoder = FrameDecoder()
        self.frames = []

    def end(self):
        self.socket.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def hears(self):
        while not self.frames:
            data = self.socket.recv(65_536)
            self.assertNotEqual(data, b"", "the child has gone")
            self.frames.extend(self.decoder.push(data))
        return self.frames.pop(0)

    def says(self, frame):
        self.socket.sendall(encode_frame(frame))

    def starts(self, **changes):
        welcome = {"version": 1, "projectRoot": str(self.root)}
        self.says({"jsonrpc": "2.0", "method": "welcome", "params": welcome})
        start = next(each for each in FIXTURES["commands"] if each["method"] == "activation.start")
        self.says({**start, "params": {**start["params"], **changes}})

    def test_sv_01_it_says_hello_first_and_loads_nothing_before_it_is_told(self):
        hello = self.hears()
        self.assertEqual((hello["method"], hello["params"]["pid"]), ("hello", self.process.pid))
        self.assertFalse((self.root / "loaded").exists())

    def test_the_golden_start_is_carried_out_once_and_its_end_said_with_returned(self):
        self.hears()
        self.starts()
        succeed = self.hears()
        self.assertEqual(succeed["method"], "run.succeed")
        self.assertEqual(
            succeed["params"]["output"], {"day": "2026-01-31", "export": {"files": ["a"]}, "channel": None}
        )
        returned = self.hears()
        (loaded,) = returned["params"].pop("loaded")
        self.assertEqual(returned, FIXTURES["returned"])
        self.assertEqual(loaded["path"], str(self.root / "tasks" / "clean.py"))
        self.says({"jsonrpc": "2.0", "id": succeed["id"], "result": {}})
        self.starts(input={"day": "2026-02-01"})
        self.assertEqual(self.hears()["params"]["output"]["day"], "2026-02-01")

    def test_it_ends_with_its_group_when_its_supervisor_has_gone(self):
        self.hears()
        self.starts(source={"module": "tasks/clean.py", "export": "hang"}, input={})
        self.assertEqual(self.process.stdout.readline(), b"hanging\n")
        self.socket.close()
        self.assertEqual(self.process.wait(30), -signal.SIGKILL)

    def test_goodbye_ends_it(self):
        self.hears()
        self.says(FIXTURES["commands"][-1])
        self.assertEqual(self.process.wait(30), 0)

    def test_cm_08_a_supervisor_that_says_what_is_no_command_is_left(self):
        self.hears()
        self.says(FIXTURES["badCommands"][0])
        self.assertEqual(self.process.wait(30), -signal.SIGKILL)

    def test_without_a_channel_it_says_what_it_is(self):
        alone = subprocess.run(
            [sys.executable, "-B", "-m", "holdfast_sdk.child"],
            env={"PYTHONPATH": SOURCES},
            capture_output=True,
            text=True,
        )
        self.assertEqual(alone.returncode, 2)
        self.assertIn("it is started by one, with HOLDFAST_CHANNEL_FD", alone.stderr)
