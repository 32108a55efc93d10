import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { describe, it, type TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Guard } from "./guard.ts";

const nodeFixture = fileURLToPath(new URL("./placements/process/fixtures/node.ts", import.meta.url));

interface Held {
  readonly groups: readonly number[];
  readonly sleeper: number;
  readonly guard: number;
}

async function startNode(t: TestContext): Promise<{ readonly node: ChildProcess; readonly held: Held }> {
  const node = spawn(process.execPath, ["--conditions=@holdfast/source", nodeFixture], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => node.kill("SIGKILL"));
  assert.ok(node.stdout !== null);
  const [line] = await once(createInterface(node.stdout), "line");
  return { node, held: JSON.parse(String(line)) as Held };
}

/** Waits for what the system does in its own time. */
async function becomes(holds: () => boolean, what: string): Promise<void> {
  for (const until = performance.now() + 30_000; !holds(); await pause(5)) assert.ok(performance.now() < until, what);
}

/** Ends when no process of these is left; zombies, which nobody may have reaped, count as ended. */
async function ended(pids: readonly number[]): Promise<void> {
  await becomes(() => !pids.some(lives), `one of ${pids} is still there`);
}

function lives(pid: number): boolean {
  return !["", "Z", "X"].includes(statField(pid, 3));
}

/** A field of /proc/PID/stat by its number in proc(5), from 3 on; "" when the process is gone. */
function statField(pid: number, number: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[number - 3] ?? "";
  } catch {
    return "";
  }
}

/** A plain command as leader of its own group. */
function command(): number {
  const child = spawn("/bin/sleep", ["1000"], { detached: true, stdio: "ignore" });
  child.unref();
  return child.pid ?? 0;
}

describe("the guard of children", { timeout: 120_000 }, () => {
  it("ends frozen, busy and plain-command groups when their node is killed, and then itself", async (t) => {
    const { node, held } = await startNode(t);
    const [frozen, busy] = held.groups;
    await becomes(() => statField(frozen ?? 0, 3) === "T", "the frozen one is not stopped");
    assert.equal(statField(held.sleeper, 5), String(held.groups[2]), "the command is in its child's group");
    assert.ok(lives(busy ?? 0));
    node.kill("SIGKILL");
    await ended([...held.groups, held.sleeper, held.guard]);
  });

  it("lives in a session of its own, ignores what a terminal or a service manager sends, and keeps its node's end in view", async (t) => {
    const { node, held } = await startNode(t);
    assert.equal(statField(held.guard, 6), String(held.guard), "it leads its session");
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const) process.kill(held.guard, signal);
    node.kill("SIGKILL");
    await ended([...held.groups, held.sleeper, held.guard]);
  });

  it("is replaced when it dies, and the new one knows every group", async () => {
    const guard = new Guard(() => assert.fail("unguarded"));
    const group = command();
    guard.add(group);
    const first = guard.pid ?? 0;
    process.kill(first, "SIGKILL");
    await becomes(() => guard.pid !== first && guard.pid !== undefined, "the guard was not replaced");
    await guard.close();
    await ended([group, first]);
  });

  it("leaves a group alone that it was told has ended", async () => {
    const guard = new Guard(() => assert.fail("unguarded"));
    const [kept, other, last] = [command(), command(), command()];
    for (const group of [other, kept, last]) guard.add(group);
    guard.remove(kept);
    await guard.close();
    await ended([other, last]);
    assert.ok(lives(kept));
    process.kill(-kept, "SIGKILL");
    await ended([kept]);
  });

  it("does not touch a process that was given an old number", async () => {
    const guard = new Guard(() => assert.fail("unguarded"));
    const group = command();
    // As if the number had been another process's when it was told of it.
    guard.add(group, "1");
    await guard.close();
    assert.ok(lives(group));
    process.kill(-group, "SIGKILL");
    await ended([group]);
  });

  it("says so when it cannot be kept alive", async () => {
    const unguarded = Promise.withResolvers<void>();
    const guard = new Guard(() => unguarded.resolve(), { shell: "/bin/false" });
    await unguarded.promise;
    await guard.close();
  });
});
