// A node is killed at each moment of its large values. Faults to catch: a row that names what is not there; an object that nobody names and
// that no sweep of others finds; work that cannot go on where the dead one left it.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { systemClock } from "../../server/src/clock.ts";
import { StateObjects } from "../../server/src/operations/state-objects.ts";
import { systemRandom } from "../../server/src/random.ts";
import { FileBackend } from "../../server/src/state-backends/file-backend.ts";
import { openOwned } from "../owned-store.ts";
import { carryOut, namespace, scope, values } from "./object-work.ts";

interface Ended {
  readonly signal: string | null;
  readonly said: string;
}

function run(folder: string, call: number): Promise<Ended> {
  const file = join(import.meta.dirname, "fixtures/object-process.ts");
  const given = ["--conditions=@holdfast/source", file, folder, String(call)];
  return new Promise((resolve) => {
    execFile(process.execPath, given, { timeout: 60_000 }, (error, said) => {
      resolve({ signal: error?.signal ?? null, said });
    });
  });
}

/** What is there after the death of a process, and whether the next one can go on. */
async function verify(folder: string, call: number): Promise<void> {
  const store = await openOwned(`sqlite:${join(folder, "store.db")}`, { role: "owner" });
  const backend = new FileBackend(join(folder, "objects"));
  const options = { backend, inlineBytes: 1_024, graceMs: 0 };
  const objects = new StateObjects({ store, clock: systemClock, random: systemRandom, options });
  const expectNothingLost = async () => {
    const page = await objects.list({ namespace, scope, limitRows: 10 });
    assert.ok(page.outcome === "read");
    for (const { key, value } of page.values) {
      assert.ok(values.includes(String(value)), `call ${call}: ${key} says something else`);
    }
    const stored = await store.listState({ namespace, scope, limitRows: 10 });
    return stored.outcome === "read" ? stored.values.flatMap(({ object }) => object?.name ?? []).sort() : [];
  };
  const left = async () => {
    const names: string[] = [];
    for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
      const page = await backend.list((await store.describe()).incarnation, cursor);
      names.push(...page.names);
      cursor = page.cursor;
    }
    return names.sort();
  };
  const named = await expectNothingLost();
  await objects.sweep({ limitRows: 100 });
  assert.deepEqual(await expectNothingLost(), named);
  assert.deepEqual(await left(), named, `call ${call}: something is left`);
  await carryOut(objects, store);
  const [reading] = await store.readState({ rows: [{ namespace, scope, keys: ["k"] }] });
  assert.ok(reading?.outcome === "read" && reading.values.length === 1);
  assert.deepEqual(await left(), await expectNothingLost());
  await Promise.all([store.close(), backend.close()]);
}

describe("large values of state whose node is killed", { timeout: 240_000 }, () => {
  it("at whichever call it dies, nothing that is named is missing, and what it left is swept by the next", async () => {
    const folders: string[] = [];
    const play = async (call: number): Promise<Ended> => {
      const folder = mkdtempSync(join(tmpdir(), "hf-kill-"));
      folders.push(folder);
      const ended = await run(folder, call);
      if (ended.signal !== null) await verify(folder, call);
      return ended;
    };
    try {
      const whole = await play(0);
      const { count } = JSON.parse(whole.said) as { count: number };
      assert.ok(count >= 9, `${count} calls`);
      const calls = Array.from({ length: count }, (_, n) => n + 1);
      const next = async () => {
        for (let call = calls.shift(); call !== undefined; call = calls.shift()) {
          assert.equal((await play(call)).signal, "SIGKILL", `call ${call}`);
        }
      };
      await Promise.all([next(), next(), next()]);
    } finally {
      for (const folder of folders) rmSync(folder, { recursive: true, force: true });
    }
  });
});
