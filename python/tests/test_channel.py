"""Faults to catch: a reply given to another caller; a caller left waiting when the channel ends; an unasked or broken frame
obeyed; a message of another activation's; the channel of a process that a body forked; a caller and a supervisor that wait
for each other to read."""

import json
import os
import queue
import socket
import threading
import unittest

from holdfast_sdk.channel_socket import ChannelSocket
from holdfast_sdk.errors import AppError
from holdfast_sdk.framing import FrameDecoder, encode_frame

from .golden import FIXTURES

NONCE = "nonce-of-the-fixtures"
PATIENCE = 30


class Supervisor:
    """The other end of a real socket pair."""

    def __init__(self, test):
        ours, theirs = socket.socketpair()
        self.socket = ours
        self.commands = queue.SimpleQueue()
        self.closed = queue.SimpleQueue()
        self.decoder = FrameDecoder()
        self.frames = []
        self.channel = ChannelSocket(
            theirs.detach(), self.commands.put, lambda reason, own_fault: self.closed.put((reason, own_fault))
        )
        self.channel.listen()
        test.addCleanup(ours.close)

    def hears(self):
        while not self.frames:
            data = self.socket.recv(65_536)
            if not data:
                raise EOFError
            self.frames.extend(self.decoder.push(data))
        return self.frames.pop(0)

    def says(self, frame):
        self.socket.sendall(encode_frame(frame))

    def answers(self, frame_id, result):
        self.says({"jsonrpc": "2.0", "id": frame_id, "result": result})


class ChannelTest(unittest.TestCase):
    def setUp(self):
        self.supervisor = Supervisor(self)

    def test_cm_06_hello_and_returned_have_the_golden_shape(self):
        channel = self.supervisor.channel
        channel.hello("python/0.1.0")
        hello = self.supervisor.hears()
        golden = json.loads(json.dumps(FIXTURES["hello"]))
        golden["params"]["pid"] = os.getpid()
        self.assertEqual(hello, golden)
        channel.returned(NONCE, True)
        self.assertEqual(self.supervisor.hears(), FIXTURES["returned"])
        channel.returned(NONCE, True, FIXTURES["returnedWithCode"]["params"]["loaded"])
        self.assertEqual(self.supervisor.hears(), FIXTURES["returnedWithCode"])

    def test_cm_09_every_golden_method_is_sent_and_its_result_reaches_its_caller(self):
        call = self.supervisor.channel.calls(NONCE)
        for method, golden in FIXTURES["methods"].items():
            answer = call(method, golden["params"])
            frame = self.supervisor.hears()
            frame_id = frame.pop("id")
            self.assertEqual(
                frame, {"jsonrpc": "2.0", "method": method, "params": golden["params"], "nonce": NONCE}
            )
            self.supervisor.answers(frame_id, golden["result"])
            self.assertEqual(answer.result(PATIENCE), golden["result"])

    def test_cm_02_out_of_order_replies_reach_their_callers_from_many_threads(self):
        call = self.supervisor.channel.calls(NONCE)
        got = {}
        lock = threading.Lock()

        def ask(number):
            result = call("step.commit", {"key": str(number), "value": number}).result(PATIENCE)
            with lock:
                got[number] = result

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        asked = [self.supervisor.hears() for _ in threads]
        for frame in asked[10:] + asked[:10]:  # neither the order in which they came nor its reverse
            self.supervisor.answers(frame["id"], frame["params"]["value"] * 2)
        for thread in threads:
            thread.join(PATIENCE)
        self.assertEqual(got, {number: number * 2 for number in range(20)})

    def test_cm_05_golden_errors_reach_their_callers_typed_and_the_channel_lives(self):
        call = self.supervisor.channel.calls(NONCE)
        for golden in FIXTURES["errors"]:
            answer = call("log.write", {"lines": []})
            frame_id = self.supervisor.hears()["id"]
            if golden["id"] is None:
                self.supervisor.says(golden)  # nobody's: it is left out
                self.supervisor.answers(frame_id, {})
                self.assertEqual(answer.result(PATIENCE), {})
                continue
            self.supervisor.says({**golden, "id": frame_id})
            with self.assertRaises(AppError) as raised:
                answer.result(PATIENCE)
            data = golden["error"]["data"]
            self.assertEqual(raised.exception.code, data["code"])
            self.assertEqual(str(raised.exception), golden["error"]["message"])
            self.assertEqual(raised.exception.hint, data.get("hint"))
            self.assertEqual(raised.exception.details, data.get("details"))

    def test_golden_commands_are_obeyed(self):
        for golden in FIXTURES["commands"]:
            self.supervisor.says(golden)
            command = self.supervisor.commands.get(timeout=PATIENCE)
            self.assertEqual((command.method, command.params), (golden["method"], golden["params"]))

    def test_cm_08_a_command_that_is_not_known_or_not_whole_ends_the_channel(self):
        for golden in FIXTURES["badCommands"]:
            supervisor = Supervisor(self)
            supervisor.says(golden)
            _, own_fault = supervisor.closed.get(timeout=PATIENCE)
            self.assertFalse(own_fault)
            self.assertTrue(supervisor.commands.empty())

    def test_cm_03_an_end_amid_a_frame_is_an_error_to_every_pending_caller(self):
        call = self.supervisor.channel.calls(NONCE)
        pending = [call("log.write", {"lines": []}) for _ in range(3)]
        self.supervisor.socket.sendall(b'{"jsonrpc":"2.0","id":1,')
        self.supervisor.socket.shutdown(socket.SHUT_RDWR)
        for answer in pending:
            with self.assertRaisesRegex(AppError, "The channel is closed"):
                answer.result(PATIENCE)

    def test_an_undecodable_frame_ends_the_channel_with_its_reason(self):
        for data in (b"no JSON\n", b'"\xff"\n'):
            supervisor = Supervisor(self)
            answer = supervisor.channel.calls(NONCE)("log.write", {"lines": []})
            supervisor.socket.sendall(data)
            self.assertIn("not JSON in UTF-8", supervisor.closed.get(timeout=PATIENCE)[0])
            with self.assertRaises(AppError):
                answer.result(PATIENCE)

    def test_a_message_over_the_limit_is_refused_here_and_nothing_of_it_is_sent(self):
        call = self.supervisor.channel.calls(NONCE)
        with self.assertRaises(AppError) as raised:
            call("log.write", {"lines": ["x" * (33 * 1024 * 1024)]})
        self.assertEqual(raised.exception.code, "too_large")
        call("log.write", {"lines": []})
        self.assertEqual(self.supervisor.hears()["params"], {"lines": []})

    def test_answers_are_read_while_the_supervisor_reads_no_more_calls(self):
        call = self.supervisor.channel.calls(NONCE)
        count, answers, read = 4_000, queue.SimpleQueue(), 100
        said = threading.Thread(
            target=lambda: [answers.put(call("state.get", {"key": "k" * 1_000})) for _ in range(count)], daemon=True
        )
        said.start()
        # As a supervisor that is crowded does: it answers what it has read, and reads no more before that is taken.
        self.supervisor.socket.settimeout(PATIENCE)
        asked = [self.supervisor.hears()["id"] for _ in range(read)]
        while len(asked) < count:
            for frame_id in asked[-read:]:
                self.supervisor.answers(frame_id, "x" * 60_000)
            asked.extend(self.supervisor.hears()["id"] for _ in range(read))
        for frame_id in asked[-read:]:
            self.supervisor.answers(frame_id, "x")
        for _ in range(count):
            answers.get(timeout=PATIENCE).result(PATIENCE)
        self.assertEqual(asked, sorted(asked))

    def test_what_is_said_together_leaves_together(self):
        channel = self.supervisor.channel
        with channel.together():
            channel.calls(NONCE)("run.succeed", {"output": 1})
            self.supervisor.socket.setblocking(False)
            with self.assertRaises(BlockingIOError):
                self.supervisor.socket.recv(1)
            self.supervisor.socket.setblocking(True)
            channel.returned(NONCE, True)
        self.assertEqual([self.supervisor.hears()["method"] for _ in range(2)], ["run.succeed", "activation.returned"])

    def test_a_process_that_a_body_forked_cannot_speak_for_it(self):
        call = self.supervisor.channel.calls(NONCE)
        self.supervisor.channel._owner = -1
        with self.assertRaisesRegex(RuntimeError, "not in one that it forked"):
            call("log.write", {"lines": []})
