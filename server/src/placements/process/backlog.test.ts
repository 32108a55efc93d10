// Fault to catch: a process that calls and never reads fills the node's memory with its answers.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Guard } from "../../guard.ts";
import { Calls } from "./calls.ts";
import { Child } from "./child.ts";

test("while a process has much to read, no further call of it is carried out", async () => {
  const done: number[] = [];
  let free: () => void = () => undefined;
  let isFull = false;
  const calls = new Calls({
    nonce: "n",
    call: async (_method, params) => {
      done.push((params as { value: number }).value);
      isFull = done.length === 2;
      return { recorded: true, value: 1 };
    },
    admitLines: (lines) => lines,
    handOverOutput: async () => undefined,
    reply: () => undefined,
    room: () => (isFull ? new Promise((resolve) => (free = resolve)) : undefined),
    crowded: () => undefined,
    settled: () => undefined,
    refused: () => undefined,
    violation: (reason) => assert.fail(reason),
  });
  for (const value of [1, 2, 3, 4]) {
    calls.take({ jsonrpc: "2.0", id: value, method: "step.commit", params: { key: "k", value }, nonce: "n" });
  }
  await new Promise(setImmediate);
  assert.deepEqual(done, [1, 2]);
  isFull = false;
  free();
  await calls.idle();
  assert.deepEqual(done, [1, 2, 3, 4]);
});

test("a process that reads nothing has no room for more, until it ends", { timeout: 60_000 }, async () => {
  const guard = new Guard(() => undefined);
  const listener = { ready: () => undefined, frame: () => undefined, output: () => undefined, gone: () => undefined };
  const child = new Child(
    { command: "sleep", args: ["1000"], projectRoot: "/", environment: { PATH: process.env.PATH ?? "" } },
    guard,
    listener as never,
  );
  assert.equal(child.room(), undefined);
  for (let megabytes = 0; megabytes < 6; megabytes++) child.send({ text: "x".repeat(1_048_576) });
  const room = child.room();
  assert.ok(room instanceof Promise);
  assert.equal(child.room(), room);
  child.kill();
  await room;
  await child.closed;
  await guard.close();
});
