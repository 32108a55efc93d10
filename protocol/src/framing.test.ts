import assert from "node:assert/strict";
import { test } from "node:test";
import { isAppError } from "./errors.ts";
import { encodeFrame, FrameDecoder } from "./framing.ts";

const frames = [{ id: 1, method: "log.write" }, { text: "ünïcødé 🚀\nline two" }, [], null, "x".repeat(5_000)];
const bytes = Buffer.concat(frames.map((frame) => encodeFrame(frame)));

test("frames that come byte by byte, all at once, or in any pieces are the same frames", () => {
  for (const size of [1, 2, 3, 7, 64, 4_096, bytes.length]) {
    const decoder = new FrameDecoder();
    const found: unknown[] = [];
    for (let at = 0; at < bytes.length; at += size) found.push(...decoder.push(bytes.subarray(at, at + size)));
    assert.deepEqual(found, frames, `in pieces of ${size}`);
    assert.equal(decoder.partial, false);
  }
});

test("a part of a frame is not a frame", () => {
  const decoder = new FrameDecoder();
  assert.deepEqual(decoder.push(bytes.subarray(0, 10)), []);
  assert.equal(decoder.partial, true);
});

test("a frame just at the limit passes and one byte more is refused on both sides", () => {
  const fitting = "x".repeat(98);
  const decoder = new FrameDecoder(100);
  assert.deepEqual(decoder.push(encodeFrame(fitting, 100)), [fitting]);
  assert.throws(
    () => encodeFrame(`${fitting}x`, 100),
    (error) => isAppError(error, "too_large"),
  );
  const large = encodeFrame(`${fitting}x`);
  assert.throws(
    () => new FrameDecoder(100).push(large),
    (error) => isAppError(error, "too_large"),
  );
});

test("an endless line is refused before it is whole", () => {
  const decoder = new FrameDecoder(1_000);
  const piece = Buffer.alloc(400, "a");
  decoder.push(piece);
  decoder.push(piece);
  assert.throws(
    () => decoder.push(piece),
    (error) => isAppError(error, "too_large"),
  );
});

test("bytes that are no UTF-8 and text that is no JSON are refused", () => {
  const invalid = [
    Buffer.from([0x22, 0xff, 0xfe, 0x22, 10]),
    Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22, 10]),
    Buffer.from("{]\n"),
  ];
  for (const each of invalid) {
    assert.throws(
      () => new FrameDecoder().push(each),
      (error) => isAppError(error, "invalid_request"),
    );
  }
});
