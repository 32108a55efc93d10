import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isAppError, type RunEventView } from "@holdfast/protocol";
import { task } from "@holdfast/sdk";
import { openEmbedded } from "./embedded.ts";

const source = `import { task } from "holdfast";
export const double = task({ id: "double", placement: "inline" }, async ({ n }) => {
  if (n < 0) throw new Error("n is negative");
  return { twice: n * 2 };
});
`;
const double = task({ id: "double" }, async ({ n }: { n: number }) => ({ twice: n * 2 }));

async function withProject(act: (root: string) => Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "holdfast-embedded-"));
  try {
    mkdirSync(join(root, "tasks"));
    writeFileSync(join(root, "tasks", "double.ts"), source);
    await act(root);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

test("a program starts typed runs on a store in its own process and reads results and events", async () => {
  await withProject(async (root) => {
    await using holdfast = await openEmbedded({ store: "memory:", root, include: ["tasks/**"] });
    const handle = await holdfast.start(double, { n: 21 });
    assert.deepEqual(await handle.result(), { twice: 42 });
    assert.equal((await handle.status()).status, "succeeded");
    const events: RunEventView[] = [];
    for await (const event of handle.events()) events.push(event);
    assert.deepEqual(
      events.map((event) => event.number),
      events.map((_, index) => index + 1),
    );
    assert.equal(events.at(-1)?.type, "run.succeeded");
    for (const { at } of events) assert.equal(at, new Date(at).toISOString(), "moments are RFC 3339, as everywhere");
    const rest: RunEventView[] = [];
    for await (const event of handle.events({ after: 2 })) rest.push(event);
    assert.deepEqual(rest, events.slice(2));
    const { runs } = await holdfast.list({ definition: "double" });
    assert.deepEqual(
      runs.map((run) => run.id),
      [handle.id],
    );
  });
});

test("the same key follows the same run, and a run that fails rejects with why", async () => {
  await withProject(async (root) => {
    await using holdfast = await openEmbedded({ store: "memory:", root, include: ["tasks/**"] });
    const first = await holdfast.start(double, { n: -1 }, { key: "k" });
    const second = await holdfast.start(double, { n: -1 }, { key: "k" });
    assert.deepEqual([second.id, second.existing], [first.id, true]);
    await assert.rejects(
      first.result(),
      (error) => isAppError(error, "run_ended") && /n is negative/.test(error.message),
    );
    await assert.rejects(holdfast.start(double, { n: 2 }, { key: "k" }), { code: "key_conflict" });
  });
});

test("the log of all runs is read on from any position", async () => {
  await withProject(async (root) => {
    await using holdfast = await openEmbedded({ store: "memory:", root, include: ["tasks/**"] });
    const handle = await holdfast.start(double, { n: 1 });
    const over = new AbortController();
    const types: string[] = [];
    for await (const event of holdfast.events({ signal: over.signal })) {
      types.push(`${event.position} ${event.type}`);
      if (event.type === "run.succeeded" || event.type === "run.failed") over.abort();
    }
    assert.equal((await handle.result()).twice, 2);
    assert.deepEqual(types, ["1 run.enqueued", "2 run.started", "3 run.succeeded"]);
  });
});

test("a definition with a mistake is refused with its place", async () => {
  await withProject(async (root) => {
    writeFileSync(
      join(root, "tasks", "wrong.ts"),
      'import { task } from "holdfast";\nexport const x = task({ id: "x", retries: 3 }, () => 1);\n',
    );
    await assert.rejects(openEmbedded({ store: "memory:", root, include: ["tasks/**"] }), (error) => {
      return isAppError(error, "invalid_definition") && error.message.startsWith("tasks/wrong.ts:2");
    });
  });
});
