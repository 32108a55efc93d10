import assert from "node:assert/strict";
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type ErrorCode, isAppError } from "@holdfast/protocol";
import type { Finish, RunRow } from "../../core/index.ts";
import { inFolder } from "../owned/folder.fixture.ts";
import type { StoreAnswer } from "../remote/wire.ts";
import { rowOf } from "../sqlite/rows.fixture.ts";
import type { Judgement, MemberRow, StoreDescription, StoreVerb } from "../store.ts";
import { SimulatedDisk, systemError } from "./disk.fixture.ts";
import { FileKeeper, openFileKeeper } from "./file-keeper.ts";
import { openFileStore } from "./open.ts";

const start = 1_800_000_000_000;
let lastInput = 0;

function open(folder: string, { now = start, migrate = true, notices = [] as string[] } = {}): FileKeeper {
  return openFileKeeper({ folder, migrate }, now, (text) => notices.push(text));
}

async function ask(keeper: FileKeeper, verb: StoreVerb, args?: unknown, now = start): Promise<StoreAnswer> {
  const { answers } = await keeper.carryOut([{ id: 1, verb, args }], now);
  assert.ok(answers[0]);
  return answers[0];
}

/** The result of a verb that is to succeed. */
async function call<T>(keeper: FileKeeper, verb: StoreVerb, args?: unknown, now = start): Promise<T> {
  const { result, error } = await ask(keeper, verb, args, now);
  assert.equal(error, undefined);
  return result as T;
}

function enqueueing(padding = ""): { rows: ReturnType<typeof rowOf>[] } {
  lastInput += 1;
  return { rows: [rowOf([lastInput, padding])] };
}

async function joins(keeper: FileKeeper, id: string, remote = false): Promise<void> {
  const args = { id, kind: "node", name: id, namespace: "shop", serves: null, leaseMs: 15_000 };
  await keeper.carryOut([{ id: 1, verb: "joinMember", args, remote }], start);
}

const claiming = { memberId: "m", namespace: "shop", queues: null, limitRows: 10 };
const listing = { namespace: "shop", rootsOnly: false, limitRows: 1_000 };

async function count(keeper: FileKeeper): Promise<number> {
  return (await call<{ runs: unknown[] }>(keeper, "listRuns", listing)).runs.length;
}

function refused(code: ErrorCode, text: RegExp, work: () => unknown): void {
  assert.throws(work, (error) => isAppError(error, code) && text.test(`${error.message} ${error.hint}`));
}

test("what is in a store is there when it is opened again, with the cursors that it gave out", () =>
  inFolder(async (folder) => {
    const before = open(folder);
    for (let run = 0; run < 5; run++) await call(before, "enqueueRuns", enqueueing());
    const first = await call<{ cursor: string }>(before, "listRuns", { ...listing, limitRows: 2 });
    before.close();
    const after = open(folder);
    const args = { ...listing, cursor: first.cursor };
    assert.equal((await call<{ runs: RunRow[] }>(after, "listRuns", args)).runs.length, 3);
    after.close();
  }));

test("its files are its user's alone, and every line of them is JSON", () =>
  inFolder(async (folder) => {
    const keeper = open(folder);
    await call(keeper, "enqueueRuns", enqueueing("ä€\n"));
    keeper.close();
    for (const name of readdirSync(folder)) {
      assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600);
      const lines = readFileSync(join(folder, name), "utf8").split("\n");
      assert.equal(lines.pop(), "");
      for (const line of lines) assert.equal(typeof JSON.parse(line).crc, "string");
    }
  }));

test("a folder with other files in it is refused and left as it is, hidden files excepted", () =>
  inFolder((folder) => {
    writeFileSync(join(folder, "index.ts"), "");
    refused("invalid_request", /index\.ts.*empty folder/, () => open(folder));
    assert.deepEqual(readdirSync(folder), ["index.ts"]);
    mkdirSync(join(folder, "other"));
    writeFileSync(join(folder, "other", ".gitignore"), "*");
    open(join(folder, "other")).close();
  }));

test("a store is not made when that is not asked for", () =>
  inFolder((folder) => refused("invalid_request", /holdfast migrate/, () => open(folder, { migrate: false }))));

test("a folder that is none, or cannot be made or written in, is a clear error", () =>
  inFolder(async (folder) => {
    writeFileSync(join(folder, "file"), "");
    // Root may write anywhere but in the kernel's own.
    const closed = process.getuid?.() === 0 ? "/proc/self" : join(folder, "closed");
    if (closed.startsWith(folder)) mkdirSync(closed, { mode: 0o500 });
    for (const place of [join(folder, "file"), join(folder, "file", "store"), closed]) {
      await assert.rejects(openFileStore({ folder: place, role: "owner" }), (error) =>
        isAppError(error, "store_unavailable"),
      );
    }
  }));

test("a commit that was cut off is removed with a line in the log, and the one before it stands", () =>
  inFolder(async (folder) => {
    const before = open(folder);
    await call(before, "enqueueRuns", enqueueing());
    // Killed: it is not closed.
    appendFileSync(join(folder, "journal-1.jsonl"), '{"crc":"12345678","seq":4,"at":18000');
    const notices: string[] = [];
    const after = open(folder, { notices });
    assert.equal(await count(after), 1);
    assert.match(notices.join(), /cut off in the middle of a commit.* 36 bytes after byte \d+ of journal-1\.jsonl/);
    await call(after, "enqueueRuns", enqueueing());
    after.close();
    const last = open(folder);
    assert.equal(await count(last), 2);
    last.close();
  }));

test("a copied store is a new incarnation, a renamed or reopened one is the same", () =>
  inFolder(async (folder) => {
    const at = (name: string) => join(folder, name);
    mkdirSync(at("store"));
    const incarnation = async (name: string) => {
      const keeper = open(at(name));
      const described = await call<StoreDescription>(keeper, "describe");
      await call(keeper, "enqueueRuns", enqueueing());
      keeper.close();
      return described.incarnation;
    };
    const first = await incarnation("store");
    assert.equal(await incarnation("store"), first);
    cpSync(at("store"), at("copy"), { recursive: true });
    const copied = await incarnation("copy");
    assert.notEqual(copied, first);
    assert.equal(await incarnation("copy"), copied);
    renameSync(at("store"), at("renamed"));
    assert.equal(await incarnation("renamed"), first);
    // A backup put back in its place, file by file.
    cpSync(at("renamed"), at("store"), { recursive: true });
    assert.notEqual(await incarnation("store"), first);
  }));

test("the clock of the next boot is never earlier than what was written before", () =>
  inFolder(async (folder) => {
    const before = open(folder);
    await call(before, "enqueueRuns", enqueueing(), start + 5_000);
    assert.equal((await call<StoreDescription>(before, "describe")).now, start + 5_000);
    before.close();
    const after = open(folder);
    assert.equal((await call<StoreDescription>(after, "describe")).now, start + 5_000);
    after.close();
  }));

test("the first join of a new boot ends the members of the owner before, and their runs are taken over", () =>
  inFolder(async (folder) => {
    const before = open(folder);
    await joins(before, "m");
    await call(before, "enqueueRuns", enqueueing());
    const [claimed] = await call<RunRow[]>(before, "claimRuns", claiming);
    assert.ok(claimed);
    before.close();
    const after = open(folder);
    // Also before anybody has joined: who asks then is told that nobody is there.
    const [gone] = await call<MemberRow[]>(after, "listMembers", { namespace: "shop" });
    assert.notEqual(gone?.endedAt, null);
    await joins(after, "n");
    const judged = await call<Judgement>(after, "judgeMembers", { by: "n", limitRows: 10 });
    const { lost, ...judgement } = judged;
    assert.equal(lost?.length, 1);
    assert.deepEqual(judgement, { judged: [], taken: 1, more: false });
    assert.equal(await call<boolean>(after, "renewMember", { id: "m", leaseMs: 15_000 }), false);
    const next = { to: "ended", status: "succeeded", outcome: "succeeded", output: "done" } as const;
    const finish: Finish = { runId: claimed.id, epoch: claimed.epoch, ranMs: 1, next };
    assert.deepEqual(await call(after, "finishActivations", { rows: [finish] }), [{ outcome: "stale_epoch" }]);
    after.close();
  }));

test("a member behind the socket outlives the owner if it renews in time, and is judged gone if not", () =>
  inFolder(async (folder) => {
    const before = open(folder);
    for (const id of ["quick", "dead"]) await joins(before, id, true);
    before.close();
    const after = open(folder);
    await joins(after, "n");
    const renewal = { verb: "renewMember", args: { id: "quick", leaseMs: 15_000 }, remote: true } as const;
    await after.carryOut([{ id: 1, ...renewal }], start);
    const judge = { by: "n", limitRows: 10 };
    assert.deepEqual(await call(after, "judgeMembers", judge), { judged: [], taken: 0, more: false });
    const later = start + 6_000;
    assert.deepEqual(await call(after, "judgeMembers", judge, later), { judged: ["dead"], taken: 0, more: false });
    assert.equal(await call<boolean>(after, "renewMember", { id: "quick", leaseMs: 15_000 }, later), true);
    after.close();
  }));

test("what does not fit on a full disk is refused alone, and everything else goes on, also when there is room again", async () => {
  const disk = new SimulatedDisk();
  const keeper = new FileKeeper({ disk, folder: "/simulated", migrate: true }, start, () => {});
  await joins(keeper, "m");
  const kept = await call<{ run: RunRow }[]>(keeper, "enqueueRuns", enqueueing());
  disk.capacity = disk.usedBytes() + 200_000;
  const big = "x".repeat(250_000);
  const { answers } = await keeper.carryOut(
    [
      { id: 1, verb: "enqueueRuns", args: enqueueing() },
      { id: 2, verb: "enqueueRuns", args: enqueueing(big) },
      { id: 3, verb: "claimRuns", args: claiming },
    ],
    start,
  );
  assert.deepEqual(
    answers.map(({ id, error }) => [id, error?.code]),
    [
      [1, undefined],
      [2, "store_full"],
      [3, undefined],
    ],
  );
  assert.equal(((answers[2]?.result ?? []) as RunRow[])[0]?.id, kept[0]?.run.id);
  disk.capacity = disk.usedBytes();
  assert.equal((await ask(keeper, "enqueueRuns", enqueueing())).error?.code, "store_full");
  assert.equal(await count(keeper), 2, "who only reads is answered");
  disk.capacity = Number.POSITIVE_INFINITY;
  await call(keeper, "enqueueRuns", enqueueing(big));
  const left = disk.afterCrash({ below: () => 0, pick: ([first]: readonly [unknown]) => first } as never);
  const after = new FileKeeper({ disk: left, folder: "/simulated", migrate: true }, start, () => {});
  assert.equal(await count(after), 3);
  assert.equal((await call<RunRow[]>(after, "listClaimed", { memberId: "m", limitRows: 10 })).length, 2);
});

test("after a failed sync nothing is answered from the old files before everything stands in new ones", async () => {
  const disk = new SimulatedDisk();
  const keeper = new FileKeeper({ disk, folder: "/simulated", migrate: true }, start, () => {});
  await call(keeper, "enqueueRuns", enqueueing());
  disk.beforeStep = (step) => {
    if (step.startsWith("sync")) throw systemError("EIO", "fdatasync");
  };
  for (let time = 0; time < 2; time++) {
    assert.equal((await ask(keeper, "enqueueRuns", enqueueing())).error?.code, "store_unavailable");
    assert.equal(await count(keeper), 1);
  }
  disk.beforeStep = () => {};
  await call(keeper, "enqueueRuns", enqueueing());
  assert.ok(!disk.list().includes("journal-1.jsonl"));
  assert.equal(await count(keeper), 2);
});

test("files stay in proportion to what is kept, however many runs came and went", async () => {
  const disk = new SimulatedDisk();
  const notices: string[] = [];
  const options = { disk, folder: "/simulated", migrate: true, compactionBytes: 30_000, sliceBytes: 5_000 };
  const keeper = new FileKeeper(options, start, (text) => notices.push(text));
  await joins(keeper, "m");
  let now = start;
  for (let run = 0; run < 300; run++) {
    now += 1_000;
    await call(keeper, "enqueueRuns", enqueueing(), now);
    const claims = await call<RunRow[]>(keeper, "claimRuns", claiming, now);
    const next = { to: "ended", status: "succeeded", outcome: "succeeded", output: "x".repeat(500) } as const;
    const rows = claims.map(({ id, epoch }) => ({ runId: id, epoch, ranMs: 1, next }));
    await call(keeper, "finishActivations", { rows }, now);
    await call(keeper, "prune", { runsMs: 5_000, logsMs: 5_000, limitRows: 100 }, now);
    keeper.tidy();
    assert.ok(disk.usedBytes() < 150_000, `run ${run}: ${disk.usedBytes()} bytes`);
  }
  assert.deepEqual(notices, []);
  keeper.close();
});

test("files shrink soon after most of what they hold was pruned", async () => {
  const disk = new SimulatedDisk();
  const options = { disk, folder: "/simulated", migrate: true, compactionBytes: 20_000, sliceBytes: 50_000 };
  const keeper = new FileKeeper(options, start, () => {});
  const rows = Array.from({ length: 200 }, () => enqueueing("x".repeat(500)).rows).flat();
  await call(keeper, "enqueueRuns", { rows });
  for (let piece = 0; piece < 20; piece++) keeper.tidy();
  assert.ok(disk.usedBytes() > 200_000);
  const ending = { status: "cancelled", error: { code: "cancelled", message: "It was ordered." } };
  for (const { run } of rows) await call(keeper, "orderEnd", { runId: run.id, ending, data: null, limitRows: 10 });
  await call(keeper, "prune", { runsMs: 0, logsMs: 0, limitRows: 5_000 }, start + 1);
  for (let piece = 0; piece < 20; piece++) keeper.tidy();
  assert.ok(disk.usedBytes() < 20_000, `${disk.usedBytes()} bytes`);
  keeper.close();
});

test("a compaction that finds no room is put off and said, and the journal goes on", async () => {
  const disk = new SimulatedDisk();
  const notices: string[] = [];
  const options = { disk, folder: "/simulated", migrate: true, compactionBytes: 30_000, sliceBytes: 5_000 };
  const keeper = new FileKeeper(options, start, (text) => notices.push(text));
  disk.beforeStep = (step) => {
    if (step.includes(".new")) throw systemError("ENOSPC", "write");
  };
  for (let run = 0; run < 60; run++) {
    await call(keeper, "enqueueRuns", enqueueing("x".repeat(500)));
    keeper.tidy();
  }
  assert.match(notices[0] ?? "", /could not be compacted/);
  assert.ok(notices.length < 5, "it is not tried at each call");
  disk.beforeStep = () => {};
  for (let run = 0; run < 100; run++) {
    await call(keeper, "enqueueRuns", enqueueing("x".repeat(500)));
    keeper.tidy();
  }
  const names = disk.list();
  assert.ok(!names.includes("snapshot-1.jsonl"), names.join());
  assert.equal(await count(keeper), 160);
});
