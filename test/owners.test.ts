import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { describe, test } from "node:test";
import { isAppError } from "@holdfast/protocol";
import type { Store } from "../server/src/store/store.ts";
import { openOwned } from "./owned-store.ts";
import type { Told } from "./store-process.ts";

const program = join(import.meta.dirname, "store-process.ts");
const longWaitMs = 60_000;

/** A process on the store, and what the store has acknowledged to it. */
class StoreProcess {
  readonly child: ChildProcess;
  readonly enqueued: string[] = [];
  readonly finished: string[] = [];
  readonly #opened: Promise<void>;

  constructor(address: string, role: string, name: string) {
    const execArgv = ["--conditions=@holdfast/source", "--disable-warning=ExperimentalWarning"];
    this.child = fork(program, [address, role, name], { execArgv });
    this.#opened = new Promise((resolve) => {
      this.child.on("message", (told: Told) => {
        if ("open" in told) resolve();
        else if ("enqueued" in told) this.enqueued.push(told.enqueued);
        else this.finished.push(told.finished);
      });
    });
  }

  async opened(): Promise<this> {
    await Promise.race([this.#opened, once(this.child, "exit").then(() => assert.fail("it ended before it was open"))]);
    return this;
  }

  /** Resolves when `count` more runs have been finished. */
  async moves(count: number): Promise<void> {
    const goal = this.finished.length + count;
    const signal = AbortSignal.timeout(longWaitMs);
    while (this.finished.length < goal) await once(this.child, "message", { signal });
  }

  async kill(): Promise<void> {
    const exited = once(this.child, "exit");
    this.child.kill("SIGKILL");
    await exited;
  }

  async stop(): Promise<void> {
    const exited = once(this.child, "exit");
    this.child.send("stop");
    const [code] = await exited;
    assert.equal(code, 0);
  }
}

/** A store that is not there yet, and the names of the files by which its owner is found. */
interface Place {
  readonly address: string;
  readonly lock: string;
  readonly socketPlace: string;
  /** Where a young store keeps what is written. */
  readonly data: string;
  /** All that it keeps. */
  readonly files: readonly string[];
  /** Another name for it: a link that is there before the store is. */
  readonly link: string;
}

const kinds: Readonly<Record<string, (folder: string) => Place>> = {
  sqlite: (folder) => {
    symlinkSync("store.db", join(folder, "link.db"));
    const path = join(folder, "store.db");
    return {
      ...placeOf(path),
      data: `${path}-wal`,
      files: [path, `${path}-wal`],
      address: `sqlite:${path}`,
      link: `sqlite:${join(folder, "link.db")}`,
    };
  },
  file: (folder) => {
    mkdirSync(join(folder, "kept"));
    symlinkSync("kept", join(folder, "link"));
    return {
      ...placeOf(join(folder, "kept", "store")),
      data: join(folder, "kept", "journal-1.jsonl"),
      files: ["journal-1.jsonl", "snapshot-1.jsonl"].map((name) => join(folder, "kept", name)),
      address: `file:${join(folder, "kept")}`,
      link: `file:${join(folder, "link")}`,
    };
  },
};

function placeOf(path: string): Pick<Place, "lock" | "socketPlace"> {
  return { lock: `${path}.lock`, socketPlace: `${path}.sock-place` };
}

/** A folder for a store and processes on it, all gone afterwards. */
async function withStore(
  place: (folder: string) => Place,
  body: (place: Place, start: (role: string, name: string) => Promise<StoreProcess>) => Promise<void>,
  below = "",
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-owner-"));
  const processes: StoreProcess[] = [];
  try {
    mkdirSync(join(folder, below), { recursive: true });
    const there = place(join(folder, below));
    await body(there, (role, name) => {
      const started = new StoreProcess(there.address, role, name);
      processes.push(started);
      return started.opened();
    });
  } finally {
    for (const { child } of processes) child.kill("SIGKILL");
    rmSync(folder, { recursive: true });
  }
}

async function assertNothingLostOrDoubled(store: Store, processes: readonly StoreProcess[]): Promise<void> {
  for (const { enqueued, finished } of processes) {
    assert.equal(new Set(enqueued).size, enqueued.length);
    for (const id of enqueued) assert.ok(await store.findRun({ id }), `${id} was acknowledged and is lost`);
    for (const id of finished) assert.equal((await store.findRun({ id }))?.status, "succeeded");
    assert.equal(new Set(finished).size, finished.length, "a run was finished twice");
  }
  const last = new Map<string, number>();
  let position = 0;
  for (;;) {
    const { events, last: end } = await store.listTopic({ namespace: "shop", after: position, limitRows: 1_000 });
    for (const event of events) {
      assert.equal(event.position, position + 1);
      assert.equal(event.number, (last.get(event.runId) ?? 0) + 1, `${event.runId} has a hole in its history`);
      last.set(event.runId, event.number);
      position = event.position;
    }
    if (position === end) break;
  }
  for (const [id, number] of last) assert.equal((await store.findRun({ id }))?.lastEvent, number);
  // Every key made one run, though calls were repeated.
  const names = new Set<string>();
  for (const id of last.keys()) {
    const run = await store.findRun({ id });
    const name = `${run?.queue} ${JSON.stringify(run?.input)}`;
    assert.ok(!names.has(name), `${name} was enqueued twice`);
    names.add(name);
  }
}

for (const [kind, place] of Object.entries(kinds)) {
  describe(`the owner of a ${kind} store`, () => {
    test("when the owner is killed under load another process takes its place, and nothing acknowledged is lost or doubled", async () => {
      await withStore(place, async ({ address }, start) => {
        const a = await start("either", "a");
        const b = await start("either", "b");
        const c = await start("either", "c");
        await Promise.all([a, b, c].map((one) => one.moves(40)));
        await a.kill();
        await Promise.all([b, c].map((one) => one.moves(40)));
        const d = await start("either", "d");
        await b.kill();
        await Promise.all([c, d].map((one) => one.moves(40)));
        await c.stop();
        await d.moves(20);
        await d.stop();
        const store = await openOwned(address, { role: "owner" });
        await assertNothingLostOrDoubled(store, [a, b, c, d]);
        await store.close();
      });
    });

    test("a client of a killed owner waits for the next one, and without one is told what to start", async () => {
      await withStore(place, async ({ address }, start) => {
        const owner = await start("owner", "a");
        const client = await start("client", "b");
        await client.moves(20);
        await owner.kill();
        const impatient = openOwned(address, { role: "client", patienceMs: 200 });
        await assert.rejects(
          impatient,
          (error) => isAppError(error, "store_unavailable") && /holdfast dev/.test(error.hint ?? ""),
        );
        const next = await start("owner", "c");
        await client.moves(20);
        await client.stop();
        await next.stop();
        const store = await openOwned(address, { role: "owner" });
        await assertNothingLostOrDoubled(store, [owner, client, next]);
        await store.close();
      });
    });

    test("a second owner is refused while the first lives, and welcome at once when it is killed", async () => {
      await withStore(place, async ({ address }, start) => {
        const first = await start("owner", "a");
        await assert.rejects(openOwned(address, { role: "owner" }), (error) => isAppError(error, "not_the_owner"));
        await first.kill();
        const store = await openOwned(address, { role: "owner" });
        await store.describe();
        await store.close();
      });
    });

    test("a store of whose files one is removed under its owner acknowledges nothing more, and says so", async () => {
      await withStore(place, async ({ address, lock, data }) => {
        const store = await openOwned(address, { role: "owner" });
        await store.describe();
        const refused = (error: unknown) =>
          isAppError(error, "store_unavailable") && /removed or replaced/.test(error.message);
        const files = readdirSync(dirname(data)).filter((name) => /^store\.db(-wal)?$|\.lock$|\.jsonl$/.test(name));
        assert.ok(files.includes(basename(lock)) && files.includes(basename(data)));
        for (const file of files.map((name) => join(dirname(data), name))) {
          renameSync(file, `${file}.moved`);
          await assert.rejects(store.describe(), refused, file);
          writeFileSync(file, "");
          await assert.rejects(store.describe(), refused, file);
          renameSync(`${file}.moved`, file);
          await store.describe();
        }
        await store.close();
      });
    });

    test("what is written to a data file that was removed is not acknowledged, and the owner can be ended", async () => {
      await withStore(place, async ({ address, data }) => {
        const store = await openOwned(address, { role: "owner" });
        const join = (id: string) =>
          store.joinMember({ id, kind: "node", name: id, namespace: "shop", serves: null, leaseMs: 15_000 });
        await join("before");
        rmSync(data);
        await assert.rejects(join("after"), (error) => isAppError(error));
        await store.close();
      });
    });

    test("a data file that was cut, or moved away, is told at the next call, and nothing more is acknowledged", async () => {
      await withStore(place, async ({ address, data, files }) => {
        const store = await openOwned(address, { role: "owner" });
        for (const file of files) {
          await store.describe();
          renameSync(file, `${file}.moved`);
          await assert.rejects(store.describe(), /removed or replaced/);
          renameSync(`${file}.moved`, file);
        }
        await store.describe();
        truncateSync(data, statSync(data).size - 1);
        await assert.rejects(store.describe(), /was cut from \d+ to \d+ bytes/);
        await store.close();
      });
    });

    test("an owner whose files were moved away leaves the next owner's socket alone when it ends", async () => {
      await withStore(place, async ({ address, lock }) => {
        const first = await openOwned(address, { role: "owner" });
        const folder = dirname(lock);
        mkdirSync(`${folder}-old`);
        for (const name of readdirSync(folder).filter(
          (name) => name.startsWith(basename(lock).split(".")[0] ?? "") || name.endsWith("jsonl"),
        )) {
          renameSync(join(folder, name), join(`${folder}-old`, name));
        }
        const second = await openOwned(address, { role: "owner" });
        await first.close();
        const client = await openOwned(address, { role: "client" });
        assert.equal((await client.describe()).incarnation, (await second.describe()).incarnation);
        await client.close();
        await second.close();
        rmSync(`${folder}-old`, { recursive: true });
      });
    });

    test("a socket that was swept away is there again, and who is connected stays connected", async () => {
      await withStore(place, async ({ address, lock, socketPlace }) => {
        const owner = await openOwned(address, { role: "owner" });
        const early = await openOwned(address, { role: "client", patienceMs: longWaitMs });
        const socket = existsSync(socketPlace) ? readFileSync(socketPlace, "utf8") : lock.replace(/lock$/, "sock");
        rmSync(existsSync(socketPlace) ? dirname(socket) : socket, { recursive: true });
        const late = await openOwned(address, { role: "client", patienceMs: longWaitMs });
        assert.equal((await late.describe()).incarnation, (await early.describe()).incarnation);
        assert.equal(statSync(socket).mode & 0o777, 0o600);
        for (const store of [early, late, owner]) await store.close();
        assert.equal(existsSync(socket), false);
      });
    });

    test("whatever link leads to the store, it has one owner", async () => {
      await withStore(place, async ({ address, link }, start) => {
        const store = await openOwned(link, { role: "owner" });
        await assert.rejects(openOwned(address, { role: "owner" }), (error) => isAppError(error, "not_the_owner"));
        const client = await start("either", "b");
        await client.moves(5);
        assert.equal((await store.listMembers({ namespace: "shop" }))[0]?.endedAt, null);
        await client.stop();
        await store.close();
        const straight = await openOwned(address, { role: "owner" });
        await assert.rejects(openOwned(link, { role: "owner" }), (error) => isAppError(error, "not_the_owner"));
        await straight.close();
      });
    });

    test("the runs of a killed client are taken back though no lease runs out", async () => {
      await withStore(place, async ({ address }, start) => {
        const store = await openOwned(address, { role: "owner" });
        const client = await start("client", "b");
        await client.moves(20);
        await client.kill();
        const deadline = performance.now() + longWaitMs;
        for (;;) {
          const [member] = await store.listMembers({ namespace: "shop" });
          if (member?.endedAt !== null) break;
          assert.ok(performance.now() < deadline, "the killed client is still a member");
        }
        assert.deepEqual(await store.listClaimed({ memberId: "member-b", limitRows: 10 }), []);
        await assertNothingLostOrDoubled(store, [client]);
        await store.close();
      });
    });

    test("a store too deep for a socket beside it is reached all the same, and only by its own user", async () => {
      const deep = join(...Array.from({ length: 6 }, () => "a-rather-long-name-of-a-folder"));
      await withStore(
        place,
        async ({ address, lock, socketPlace }) => {
          const owner = await openOwned(address, { role: "owner" });
          const client = await openOwned(address, { role: "client" });
          assert.equal((await client.describe()).incarnation, (await owner.describe()).incarnation);
          for (const file of [lock, socketPlace]) assert.equal(statSync(file).mode & 0o777, 0o600);
          const socket = dirname(readFileSync(socketPlace, "utf8"));
          await client.close();
          await owner.close();
          assert.equal(existsSync(socket), false);
        },
        deep,
      );
    });

    test("a ring in one process is heard in the others", async () => {
      await withStore(place, async ({ address }) => {
        const owner = await openOwned(address, { role: "owner" });
        const client = await openOwned(address, { role: "client" });
        await client.describe();
        const heardByOwner = new Promise((resolve) =>
          owner.onRing((topics) => topics.includes("ended") && resolve(true)),
        );
        client.ring(["ended"]);
        assert.ok(await heardByOwner);
        const heardByClient = new Promise((resolve) =>
          client.onRing((topics) => topics.includes("ready") && resolve(true)),
        );
        owner.ring(["ready"]);
        assert.ok(await heardByClient);
        await client.close();
        await owner.close();
      });
    });
  });
}

test("a place that is found by a record is found again when the record was removed", async () => {
  const file = kinds.file;
  assert.ok(file);
  const deep = `${"d".repeat(60)}/${"e".repeat(60)}`;
  await withStore(
    file,
    async ({ address, socketPlace }) => {
      const owner = await openOwned(address, { role: "owner" });
      rmSync(socketPlace);
      const client = await openOwned(address, { role: "client", patienceMs: longWaitMs });
      assert.equal((await client.describe()).incarnation, (await owner.describe()).incarnation);
      await client.close();
      await owner.close();
    },
    deep,
  );
});

test("what an owner says at its end is not written to a journal that was cut", async () => {
  const file = kinds.file;
  assert.ok(file);
  await withStore(file, async ({ address, data }) => {
    const owner = await openOwned(address, { role: "owner" });
    await owner.describe();
    truncateSync(data, statSync(data).size - 5);
    const { size } = statSync(data);
    await assert.rejects(owner.describe(), /was cut/);
    await owner.close();
    assert.equal(statSync(data).size, size);
  });
});

test("a log that a backup tool has checkpointed and cut is none that was cut by mistake", async () => {
  const sqlite = kinds.sqlite;
  assert.ok(sqlite);
  await withStore(sqlite, async ({ address, data }) => {
    const store = await openOwned(address, { role: "owner" });
    await store.describe();
    const tool = `new (require("node:sqlite").DatabaseSync)(process.argv[1]).exec("PRAGMA wal_checkpoint(TRUNCATE)")`;
    execFileSync(process.execPath, ["--no-warnings", "-e", tool, address.replace("sqlite:", "")]);
    assert.equal(statSync(data).size, 0);
    await store.joinMember({ id: "a", kind: "node", name: "a", namespace: "shop", serves: null, leaseMs: 15_000 });
    assert.equal((await store.listMembers({ namespace: "shop" })).length, 1);
    truncateSync(data, 0);
    await assert.rejects(store.describe(), /was cut/);
    await store.close();
  });
});

test("a SQLite file with a second name by a hard link is refused, and the hint says why", async () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-owner-"));
  try {
    writeFileSync(join(folder, "store.db"), "");
    linkSync(join(folder, "store.db"), join(folder, "same.db"));
    await assert.rejects(
      openOwned(`sqlite:${join(folder, "same.db")}`, { role: "owner" }),
      (error) => isAppError(error, "invalid_request") && /hard link/.test(error.message),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
