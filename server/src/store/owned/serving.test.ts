// Fault to catch: answers that together, or one by itself, are too large for a text end the store's thread.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type FromThread, tellInParts } from "./serving.ts";

test("an answer that is too large for a message is refused alone, and the others arrive", () => {
  const told: FromThread[] = [];
  const tell = (message: FromThread) => {
    if (JSON.stringify(message).length > 200) throw new RangeError("Invalid string length");
    told.push(message);
  };
  const answers = [
    { id: 1, result: "x".repeat(100) },
    { id: 2, result: "y".repeat(300) },
    { id: 3, result: "z".repeat(100) },
  ];
  tellInParts({ answers, rings: ["ready"] }, tell);
  const heard = told.flatMap((message) =>
    "answers" in message ? (message.answers as { id: number; error?: { code: string } }[]) : [],
  );
  assert.deepEqual(
    heard.map(({ id, error }) => [id, error?.code]),
    [
      [1, undefined],
      [2, "too_large"],
      [3, undefined],
    ],
  );
  assert.deepEqual(
    told.flatMap((message) => ("rings" in message ? message.rings : [])),
    ["ready"],
  );
});
