// State backends in this process. Faults to catch: see each broken backend below, which the suite has to catch; a folder whose disk is not
// mounted that passes for an empty one; a full or unwritable disk that is no typed failure; a name that leads out of the folder.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { isAppError } from "@holdfast/protocol";
import { FileBackend } from "./file-backend.ts";
import { memoryStateBackend } from "./memory-backend.ts";
import { openStateBackend } from "./open-backend.ts";
import type { StateBackend } from "./state-backend.ts";
import { type BackendUnderTest, stateBackendSuite } from "./suite.ts";

async function inFolder(): Promise<BackendUnderTest> {
  const folder = mkdtempSync(join(tmpdir(), "hf-objects-"));
  return {
    backend: new FileBackend(folder),
    reopen: async () => new FileBackend(folder),
    // As a disk that is not mounted: the folder is there and empty.
    outage: {
      begin: async () => renameSync(folder, `${folder}.away`),
      end: async () => renameSync(`${folder}.away`, folder),
    },
    dispose: async () => rmSync(folder, { recursive: true, force: true }),
  };
}

describe("a folder as a state backend", () => {
  for (const { name, run } of stateBackendSuite(inFolder)) it(name, run);

  it("nothing is left of what was written but the objects, and a draft that a kill left is no object", async () => {
    const folder = mkdtempSync(join(tmpdir(), "hf-objects-"));
    const backend = new FileBackend(folder);
    await backend.put("f/abc.1", new Uint8Array(3));
    assert.deepEqual(readdirSync(join(folder, "writing")), []);
    assert.ok(existsSync(join(folder, "objects/f/ab/abc.1")));
    assert.deepEqual((await backend.list("f")).names, ["f/abc.1"]);
    rmSync(folder, { recursive: true });
  });

  it("a name that leads elsewhere is refused", async () => {
    const folder = mkdtempSync(join(tmpdir(), "hf-objects-"));
    const backend = new FileBackend(folder);
    for (const name of ["../a", "f/../../a", "/etc/a", "f", "f/a/b", "f/..", "F/a", ""]) {
      await assert.rejects(backend.put(name, new Uint8Array(1)), name);
      await assert.rejects(backend.get(name), name);
    }
    rmSync(folder, { recursive: true });
  });

  it("a folder that cannot be made is told as what it is", async () => {
    const folder = mkdtempSync(join(tmpdir(), "hf-objects-"));
    writeFileSync(join(folder, "file"), "");
    await assert.rejects(new FileBackend(join(folder, "file/objects")).get("f/a"), (error) =>
      isAppError(error, "store_unavailable"),
    );
    rmSync(folder, { recursive: true });
  });
});

it("what a configuration names is opened, and what is no backend is refused with what to write", async () => {
  assert.equal(await openStateBackend("store", "/"), undefined);
  await assert.rejects(openStateBackend("s3://bucket", "/"), (error) => isAppError(error, "invalid_request"));
  const own = join(import.meta.dirname, "fixtures/own-backend.ts");
  const opened = await openStateBackend(`module:${own}`, "/");
  assert.equal(opened?.place, "mine:");
  const none = join(import.meta.dirname, "state-backend.ts");
  await assert.rejects(openStateBackend(`module:${none}`, "/"), /exports no function openStateBackend/);
});

/** A place that several backends share, as a folder is. */
function sharedMemory(change: (backend: StateBackend) => Partial<StateBackend> = () => ({})) {
  return async (): Promise<BackendUnderTest> => {
    const place = memoryStateBackend();
    let isAway = false;
    const open = (): StateBackend => {
      let isClosed = false;
      const opened = async <T>(act: () => Promise<T>): Promise<T> => {
        if (isClosed || isAway) throw new Error("away");
        return act();
      };
      const plain: StateBackend = {
        place: "memory:",
        put: (name, bytes) => opened(() => place.put(name, bytes)),
        get: (name) => opened(() => place.get(name)),
        delete: (names) => opened(() => place.delete(names)),
        list: (folder) => opened(() => place.list(folder)),
        close: async () => {
          isClosed = true;
        },
      };
      return { ...plain, ...change(plain) };
    };
    return {
      backend: open(),
      reopen: async () => open(),
      outage: {
        begin: async () => {
          isAway = true;
        },
        end: async () => {
          isAway = false;
        },
      },
    };
  };
}

describe("the suite", () => {
  for (const { name, run } of stateBackendSuite(async () => ({ backend: memoryStateBackend() })))
    it(`in memory: ${name}`, run);
  for (const { name, run } of stateBackendSuite(sharedMemory())) it(`shared: ${name}`, run);

  const known = new Map<string, Uint8Array>();
  const broken: Readonly<Record<string, (backend: StateBackend) => Partial<StateBackend>>> = {
    "keeps texts instead of bytes": ({ put }) => ({
      put: (name, bytes) => put(name, new TextEncoder().encode(new TextDecoder().decode(bytes))),
    }),
    "answers an empty value for none": ({ get }) => ({ get: async (name) => (await get(name)) ?? new Uint8Array() }),
    "takes an empty value for none": ({ get }) => ({
      get: async (name) => {
        const found = await get(name);
        return found?.length === 0 ? undefined : found;
      },
    }),
    "fails for what is not there": ({ get }) => ({
      get: async (name) => {
        const found = await get(name);
        if (found === undefined) throw new Error("not found");
        return found;
      },
    }),
    "refuses a put that is said again": ({ get, put }) => ({
      put: async (name, bytes) => {
        if ((await get(name)) !== undefined) throw new Error("it exists");
        await put(name, bytes);
      },
    }),
    "keeps the caller's own buffer": ({ get }) => {
      known.clear();
      return {
        put: async (name, bytes) => void known.set(name, bytes),
        get: async (name) => known.get(name) ?? get(name),
      };
    },
    "puts the whole buffer of which bytes are a part": ({ put }) => ({
      put: (name, bytes) => put(name, new Uint8Array(bytes.buffer)),
    }),
    "writes in place, in two parts": ({ put }) => ({
      put: async (name, bytes) => {
        await put(name, bytes.subarray(0, bytes.length >> 1));
        await new Promise((resolve) => setImmediate(resolve));
        await put(name, bytes);
      },
    }),
    "takes a name for all that begin with it": ({ delete: remove, list }) => ({
      delete: async (names) => {
        const { names: all } = await list("f");
        await remove(all.filter((one) => names.some((name) => one.startsWith(name))));
      },
    }),
    "deletes nothing when one is not there": ({ delete: remove, get }) => ({
      delete: async (names) => {
        for (const name of names) if ((await get(name)) === undefined) throw new Error("not found");
        await remove(names);
      },
    }),
    "deletes the first alone": ({ delete: remove }) => ({ delete: (names) => remove(names.slice(0, 1)) }),
    "lists a thousand and says that it was all": ({ list }) => ({
      list: async (folder) => ({ names: (await list(folder)).names.slice(0, 1_000) }),
    }),
    "goes on by a count of what it has listed": ({ list }) => ({
      list: async (folder, cursor = "0") => {
        const [from, { names }] = [Number(cursor), await list(folder)];
        const page = names.slice(from, from + 100);
        return page.length < 100 ? { names: page } : { names: page, cursor: String(from + 100) };
      },
    }),
    "lists folders that begin alike": ({ list }) => ({
      list: async (folder) => ({ names: [...(await list(folder)).names, ...(await list(`${folder}-g`)).names] }),
    }),
    "keeps in its process what is to outlive it": ({ get }) => {
      const own = new Map<string, Uint8Array>();
      return {
        put: async (name, bytes) => {
          await get(name);
          own.set(name, bytes.slice());
        },
        get: async (name) => (await get(name)) ?? own.get(name)?.slice(),
        list: async (folder) => ({ names: [...own.keys()].filter((name) => name.startsWith(`${folder}/`)) }),
        delete: async (names) => {
          for (const name of names) own.delete(name);
        },
      };
    },
    "answers none while it is away": ({ get }) => ({ get: (name) => get(name).catch(() => undefined) }),
    "says done while it is away": ({ put }) => ({ put: (name, bytes) => put(name, bytes).catch(() => undefined) }),
    "lists nothing while it is away": ({ list }) => ({ list: (folder) => list(folder).catch(() => ({ names: [] })) }),
    "goes on after it was closed": () => ({ close: async () => undefined }),
  };
  for (const [fault, change] of Object.entries(broken)) {
    it(`catches a backend that ${fault}`, async () => {
      for (const { run } of stateBackendSuite(sharedMemory(change))) {
        const caught = await run().then(
          () => false,
          () => true,
        );
        if (caught) return;
      }
      assert.fail("nothing was noticed");
    });
  }
});
