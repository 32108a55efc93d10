import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open, readdir, readFile, rename, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { AppError } from "@holdfast/protocol";
import { makeFolders } from "../folders.ts";
import { checkObjectName, type StateBackend, type StateBackendPage } from "./state-backend.ts";

// Objects as files: FOLDER/objects/NAME's folder/first two characters/NAME's leaf.
//
// 1  A file gets its name by a rename, after its bytes were synced; then its folder is synced, so that the name stays too.
// 2  A folder is synced into its parent before anything in it counts. It is never deleted, so that it need not be made twice.
// 3  Where the mark of the whole folder is not there, nothing is said of any object: a disk that is not mounted looks empty.

const markName = "holdfast-objects";
/** What a put that was cut off has left. None of them takes as long. */
const leftMs = 24 * 3_600_000;

/** A backend on a folder, which is made where it is missing once something is asked. */
export class FileBackend implements StateBackend {
  readonly place: string;
  readonly #folder: string;
  /** Folders that are known to be there for good. */
  readonly #made = new Map<string, Promise<void>>();
  #prepared: Promise<void> | undefined;
  #isClosed = false;

  constructor(folder: string) {
    this.#folder = folder;
    this.place = `file:${folder}`;
  }

  async #prepare(): Promise<void> {
    await this.#makeFolder(join(this.#folder, "writing"));
    const mark = await open(join(this.#folder, markName), constants.O_CREAT | constants.O_RDWR);
    await syncedAndClosed(mark);
    await syncFolder(this.#folder);
    await this.#forgetLeft();
  }

  put(name: string, bytes: Uint8Array): Promise<void> {
    return this.#guarded(async () => {
      const file = this.#fileOf(name);
      await this.#expectMark();
      await this.#makeFolder(dirname(file));
      const draft = join(this.#folder, "writing", randomUUID());
      const handle = await open(draft, "wx");
      try {
        await handle.writeFile(bytes);
      } catch (error) {
        await handle.close();
        await unlink(draft);
        throw error;
      }
      await syncedAndClosed(handle);
      await rename(draft, file);
      await syncFolder(dirname(file));
    });
  }

  get(name: string): Promise<Uint8Array | undefined> {
    return this.#guarded(async () => {
      try {
        return await readFile(this.#fileOf(name));
      } catch (error) {
        if (!isMissing(error)) throw error;
        await this.#expectMark();
        return undefined;
      }
    });
  }

  delete(names: readonly string[]): Promise<void> {
    return this.#guarded(async () => {
      await this.#expectMark();
      for (const name of names) {
        await unlink(this.#fileOf(name)).catch((error: unknown) => {
          if (!isMissing(error)) throw error;
        });
      }
    });
  }

  /** A page is what lies under the same two characters. */
  list(folder: string, cursor = ""): Promise<StateBackendPage> {
    return this.#guarded(async () => {
      await this.#expectMark();
      const whole = join(this.#folder, "objects", folder);
      const shards = (await namesIn(whole)).filter((shard) => shard >= cursor).sort();
      const [first, next] = shards;
      if (first === undefined) return { names: [] };
      const names = (await namesIn(join(whole, first))).map((leaf) => `${folder}/${leaf}`);
      return next === undefined ? { names } : { names, cursor: next };
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  #guarded<T>(act: () => Promise<T>): Promise<T> {
    return guarded(this.#folder, async () => {
      if (this.#isClosed) throw new Error("It is closed.");
      this.#prepared ??= this.#prepare().catch((error: unknown) => {
        this.#prepared = undefined;
        throw error;
      });
      await this.#prepared;
      return act();
    });
  }

  #fileOf(name: string): string {
    checkObjectName(name);
    const [folder = "", leaf = ""] = name.split("/");
    return join(this.#folder, "objects", folder, leaf.slice(0, 2), leaf);
  }

  async #expectMark(): Promise<void> {
    try {
      await stat(join(this.#folder, markName));
    } catch (error) {
      throw isMissing(error) ? new Error(`It has no ${markName} any more. Is its disk mounted?`) : error;
    }
  }

  /** Makes a folder with what is above it, and sees to it that they stay. */
  async #makeFolder(folder: string): Promise<void> {
    const known = this.#made.get(folder);
    if (known !== undefined) return known;
    const synced = (async () => {
      if (folder !== this.#folder) await this.#makeFolder(dirname(folder));
      makeFolders(folder);
      await syncFolder(dirname(folder));
    })();
    this.#made.set(folder, synced);
    synced.catch(() => this.#made.delete(folder));
    return synced;
  }

  /** Drafts that nobody renames any more. */
  async #forgetLeft(): Promise<void> {
    const drafts = join(this.#folder, "writing");
    for (const name of await namesIn(drafts)) {
      const file = join(drafts, name);
      try {
        if (Date.now() - (await stat(file)).mtimeMs > leftMs) await unlink(file);
      } catch (error) {
        if (!isMissing(error)) throw error;
      }
    }
  }
}

async function guarded<T>(folder: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    const isFull = ["ENOSPC", "EDQUOT"].some((code) => isErrno(error, code));
    const text = error instanceof Error ? error.message : String(error);
    throw new AppError(
      isFull ? "store_full" : "store_unavailable",
      `The state backend file:${folder} failed: ${text}`,
      {
        hint: isFull ? "Make room on its disk." : "It goes on as soon as the folder can be read and written again.",
        cause: error,
      },
    );
  }
}

/** Names in a folder; of one that is not there none. */
async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

async function syncFolder(folder: string): Promise<void> {
  await syncedAndClosed(await open(folder, "r"));
}

async function syncedAndClosed(handle: FileHandle): Promise<void> {
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function isMissing(error: unknown): boolean {
  return isErrno(error, "ENOENT");
}

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
