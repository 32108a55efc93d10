import assert from "node:assert/strict";
import type { StateBackend } from "./state-backend.ts";

// What every state backend has to hold to, as cases for any test runner. Each case asks for a backend of its own and closes it.

/** A backend, and what can be done to what is behind it. */
export interface BackendUnderTest {
  readonly backend: StateBackend;
  /** Another one on the same place, as another process opens it; absent: nothing outlives this one, which only a test's may say. */
  readonly reopen?: () => Promise<StateBackend>;
  /** Makes what is behind it unreachable, and reachable again. Absent: it cannot be. */
  readonly outage?: { readonly begin: () => Promise<void>; readonly end: () => Promise<void> };
  /** Ends what the case has begun; the backend is closed by then. */
  readonly dispose?: () => Promise<void>;
}

export interface BackendCase {
  /** A sentence about behaviour. */
  readonly name: string;
  /** Rejects where the backend does otherwise. */
  readonly run: () => Promise<void>;
}

/** `for (const { name, run } of stateBackendSuite(make)) test(name, run)`. `make` answers one that is empty. */
export function stateBackendSuite(make: () => Promise<BackendUnderTest>): readonly BackendCase[] {
  return Object.entries(cases).map(([name, carryOut]) => ({
    name,
    run: async () => {
      const given = await make();
      try {
        await carryOut(given);
      } finally {
        await given.backend.close();
        await given.dispose?.();
      }
    },
  }));
}

const textOf = (bytes: Uint8Array | undefined) => (bytes === undefined ? undefined : Buffer.from(bytes).toString());
const bytesOf = (text: string) => new TextEncoder().encode(text);
const largestBytes = 4 * 1024 * 1024;

/** Every byte there is, in `length` bytes. */
function anyBytes(length: number): Uint8Array {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < Math.min(length, 4_099); at++) bytes[at] = (at * 31) % 256;
  // 4,099 is prime: no part of it is found at another place that a page begins at.
  for (let at = 4_099; at < length; at *= 2) bytes.copy(bytes, at, 0, at);
  return bytes;
}

async function listed(
  backend: StateBackend,
  folder: string,
  between?: (page: number) => Promise<void>,
): Promise<string[]> {
  const names = new Set<string>();
  let cursor: string | undefined;
  for (let page = 0; ; page++) {
    assert.ok(page < 10_000, "the list of a folder does not come to an end");
    const found = await backend.list(folder, cursor);
    for (const name of found.names) names.add(name);
    cursor = found.cursor;
    if (cursor === undefined) return [...names].sort();
    await between?.(page);
  }
}

const numbered = (count: number, folder = "f") => Array.from({ length: count }, (_, n) => `${folder}/${leafOf(n)}`);
/** As names are: their beginnings are spread. */
const leafOf = (n: number) => `${((n * 2_654_435_761) % 2 ** 32).toString(16).padStart(8, "0")}.${n}`;

const cases: Readonly<Record<string, (given: BackendUnderTest) => Promise<void>>> = {
  "bytes come back as they were put, be they none, any, or as many as there may be": async ({ backend }) => {
    for (const [at, length] of [0, 1, 256, 70_000, largestBytes].entries()) {
      await backend.put(`f/a${at}`, anyBytes(length));
      const found = await backend.get(`f/a${at}`);
      assert.ok(found !== undefined, `${length} bytes are not there`);
      assert.ok(Buffer.compare(found, anyBytes(length)) === 0, `${length} bytes came back otherwise`);
    }
  },
  "what was never put is undefined, and no failure": async ({ backend }) => {
    assert.equal(await backend.get("f/absent"), undefined);
    await backend.put("f/there", bytesOf("x"));
    assert.equal(await backend.get("f/ther"), undefined);
    assert.equal(await backend.get("g/there"), undefined);
  },
  "a put that is said again changes nothing": async ({ backend }) => {
    await backend.put("f/a", bytesOf("same"));
    await backend.put("f/a", bytesOf("same"));
    assert.equal(textOf(await backend.get("f/a")), "same");
    assert.deepEqual(await listed(backend, "f"), ["f/a"]);
  },
  "bytes are the backend's own: what is done to those given or answered changes nothing": async ({ backend }) => {
    const given = bytesOf("kept");
    await backend.put("f/a", given);
    given.fill(0);
    const answered = await backend.get("f/a");
    assert.equal(textOf(answered), "kept");
    answered?.fill(0);
    assert.equal(textOf(await backend.get("f/a")), "kept");
  },
  "a part of a larger buffer is put alone": async ({ backend }) => {
    await backend.put("f/a", bytesOf("before, kept, after").subarray(8, 12));
    assert.equal(textOf(await backend.get("f/a")), "kept");
  },
  "who reads while something is put sees nothing or all of it": async ({ backend }) => {
    const whole = anyBytes(largestBytes / 4);
    const puts = Promise.all([0, 1, 2].map(() => backend.put("f/a", whole)));
    let isDone = false;
    const done = puts.finally(() => {
      isDone = true;
    });
    let torn = 0;
    do {
      const found = await backend.get("f/a");
      if (found !== undefined && Buffer.compare(found, whole) !== 0) torn += 1;
      // A backend that waits for nothing would let nobody else come in.
      await new Promise((resolve) => setImmediate(resolve));
    } while (!isDone);
    await done;
    assert.equal(torn, 0, "a part of what was put was seen");
    assert.ok(Buffer.compare((await backend.get("f/a")) ?? new Uint8Array(), whole) === 0);
  },
  "names that begin alike, or are in other folders, are others": async ({ backend }) => {
    const names = ["f/a", "f/a.b", "f/aa", "f/a-b", "g/a", "f-g/a", "f.g/a"];
    for (const name of names) await backend.put(name, bytesOf(name));
    for (const name of names) assert.equal(textOf(await backend.get(name)), name);
    assert.deepEqual(await listed(backend, "f"), ["f/a", "f/a-b", "f/a.b", "f/aa"]);
    await backend.delete(["f/a"]);
    for (const name of names.slice(1)) assert.equal(textOf(await backend.get(name)), name);
  },
  "what is deleted is gone, with nothing else, and may be put anew": async ({ backend }) => {
    const names = numbered(20);
    for (const name of names) await backend.put(name, bytesOf(name));
    await backend.delete(names.slice(0, 12));
    for (const [at, name] of names.entries()) {
      assert.equal(textOf(await backend.get(name)), at < 12 ? undefined : name);
    }
    assert.deepEqual(await listed(backend, "f"), names.slice(12).sort());
    await backend.put(names[0] ?? "", bytesOf("again"));
    assert.equal(textOf(await backend.get(names[0] ?? "")), "again");
  },
  "a deletion of what is not there, and of nothing, is a success": async ({ backend }) => {
    await backend.put("f/a", bytesOf("x"));
    await backend.delete(["f/absent", "g/absent", "f/a", "f/a"]);
    await backend.delete(["f/a"]);
    await backend.delete([]);
    assert.deepEqual(await listed(backend, "f"), []);
  },
  "a list has every name of its folder, on however many pages, and of no folder none": async ({ backend }) => {
    const names = numbered(1_100);
    await many(names, (name) => backend.put(name, bytesOf("x")));
    await backend.put("other/a", bytesOf("x"));
    assert.deepEqual(await listed(backend, "f"), [...names].sort());
    assert.deepEqual(await listed(backend, "absent"), []);
  },
  "a list has what stays, whatever comes and goes meanwhile": async ({ backend }) => {
    const names = numbered(400);
    await many(names, (name) => backend.put(name, bytesOf("x")));
    const [going, staying] = [names.slice(0, 100), names.slice(100)];
    const seen = await listed(backend, "f", async (page) => {
      if (page > 20) return;
      await backend.delete(going.slice(page * 5, page * 5 + 5));
      await backend.put(`f/new${page}`, bytesOf("x"));
    });
    const missed = staying.filter((name) => !seen.includes(name));
    assert.deepEqual(missed, []);
  },
  "what was put, and what was deleted, is so for whoever opens it next": async ({ backend, reopen }) => {
    if (reopen === undefined) return;
    await backend.put("f/kept", anyBytes(70_000));
    await backend.put("f/gone", bytesOf("x"));
    await backend.delete(["f/gone"]);
    const next = await reopen();
    try {
      assert.ok(Buffer.compare((await next.get("f/kept")) ?? new Uint8Array(), anyBytes(70_000)) === 0);
      assert.equal(await next.get("f/gone"), undefined);
      assert.deepEqual(await listed(next, "f"), ["f/kept"]);
      await next.put("f/new", bytesOf("new"));
      assert.equal(textOf(await backend.get("f/new")), "new");
    } finally {
      await next.close();
    }
  },
  "while it cannot be reached everything rejects, and nothing passes for absent; afterwards it goes on": async (
    given,
  ) => {
    const { backend, outage } = given;
    if (outage === undefined) return;
    await backend.put("f/a", bytesOf("kept"));
    await outage.begin();
    try {
      await assert.rejects(backend.get("f/a"), "a get");
      await assert.rejects(backend.get("f/absent"), "a get of nothing");
      await assert.rejects(backend.put("f/b", bytesOf("x")), "a put");
      await assert.rejects(backend.delete(["f/a"]), "a delete");
      await assert.rejects(backend.list("f"), "a list");
    } finally {
      await outage.end();
    }
    assert.equal(textOf(await again(() => backend.get("f/a"))), "kept");
    await backend.put("f/b", bytesOf("later"));
    assert.equal(textOf(await backend.get("f/b")), "later");
  },
  "once it is closed everything rejects, and a second close is none": async ({ backend }) => {
    await backend.put("f/a", bytesOf("x"));
    await backend.close();
    await assert.rejects(backend.get("f/a"));
    await assert.rejects(backend.put("f/b", bytesOf("x")));
    await backend.close();
  },
};

async function many(names: readonly string[], act: (name: string) => Promise<void>): Promise<void> {
  for (let from = 0; from < names.length; from += 100) await Promise.all(names.slice(from, from + 100).map(act));
}

/** What is reachable again may take a moment to be seen. */
async function again<T>(act: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await act();
    } catch (error) {
      if (tries >= 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
