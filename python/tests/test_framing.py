"""Faults to catch: a frame that only one side understands; a limit that differs; broken bytes taken for a message."""

import unittest

from holdfast_sdk import limits
from holdfast_sdk.errors import AppError
from holdfast_sdk.framing import FrameDecoder, encode_frame

from .golden import FIXTURES


def depth_of(value):
    depth = 0
    while isinstance(value, list):
        depth += 1
        value = value[0] if value else None
    return depth


class FramingTest(unittest.TestCase):
    def test_cm_01_cm_04_frames_are_read_as_the_golden_ones_however_they_are_cut(self):
        for case in FIXTURES["framing"]:
            chunks = [bytes.fromhex(chunk) for chunk in case["chunks"]]
            whole = b"".join(chunks)
            for parts in (chunks, [whole], [whole[index : index + 1] for index in range(len(whole))]):
                with self.subTest(case["name"], parts=len(parts)):
                    self.read(case, parts)

    def read(self, case, parts):
        decoder = FrameDecoder(case.get("maxBytes", limits.FRAME_BYTES))
        if "error" in case:
            with self.assertRaises(AppError) as raised:
                for part in parts:
                    decoder.push(part)
            self.assertEqual(raised.exception.code, case["error"])
            return
        frames = [frame for part in parts for frame in decoder.push(part)]
        if "depth" in case:
            self.assertEqual([depth_of(frame) for frame in frames], [case["depth"]])
        else:
            self.assertEqual(frames, case["frames"])
        self.assertEqual(decoder.partial, case.get("partial", False))

    def test_frames_are_written_as_the_golden_ones(self):
        for case in FIXTURES["encoding"]:
            self.assertEqual(encode_frame(case["frame"]).decode(), case["text"])

    def test_a_frame_over_the_limit_is_refused_before_it_is_sent(self):
        self.assertEqual(encode_frame("123", max_bytes=5), b'"123"\n')
        with self.assertRaises(AppError) as raised:
            encode_frame("1234", max_bytes=5)
        self.assertEqual(raised.exception.code, "too_large")

    def test_limits_are_the_golden_ones(self):
        names = {
            "frameBytes": limits.FRAME_BYTES,
            "outputBytes": limits.OUTPUT_BYTES,
            "stepValueBytes": limits.STEP_VALUE_BYTES,
            "inputVariableBytes": limits.INPUT_VARIABLE_BYTES,
            "nestingLevels": limits.NESTING_LEVELS,
            "keyCharacters": limits.KEY_CHARACTERS,
            "spanMs": limits.SPAN_MS,
            "logLineBytes": limits.LOG_LINE_BYTES,
            "errorTextBytes": limits.ERROR_TEXT_BYTES,
            "codeFiles": limits.CODE_FILES,
        }
        self.assertEqual(names, FIXTURES["limits"])
