import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { durationMs, durationText } from "./json.ts";
import { textDefect, utf8Bytes } from "./limits.ts";

test("bytes are counted as UTF-8 writes them", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "binary", maxLength: 60 }),
      (text) => utf8Bytes(text) === Buffer.byteLength(text, "utf8"),
    ),
  );
});

test("NUL and lone surrogates are named, everything else may be kept", () => {
  assert.equal(textDefect("a\u0000b"), "NUL");
  assert.equal(textDefect("a\ud800b"), "lone surrogate");
  assert.equal(textDefect("\udc00"), "lone surrogate");
  assert.equal(textDefect("a 🚀 \u0001 ü"), undefined);
});

test("durations are read in every unit and bounded", () => {
  const read = ["250ms", "10s", "1.5m", "3h", "7d", "0s"].map((text) => durationMs(text));
  assert.deepEqual(read, [250, 10_000, 90_000, 10_800_000, 604_800_000, 0]);
  for (const text of ["", "10", "s", "-1s", "1 s", "1w", "Infinitys", "1e3s", "4000d"])
    assert.equal(durationMs(text), undefined, text);
});

test("a length of time is told as definitions write it, and is read back as the same", () => {
  const texts = [0, 1, 999, 1_000, 1_500, 4_000, 90_000, 7_200_000, 172_800_000].map(durationText);
  assert.deepEqual(texts, ["0ms", "1ms", "999ms", "1s", "1500ms", "4s", "90s", "2h", "2d"]);
  for (const text of texts) assert.equal(durationText(durationMs(text) ?? -1), text);
});
