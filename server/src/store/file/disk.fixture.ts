import type { Chance } from "../contract/chance.contract.ts";
import type { Disk, DiskFile, FileHome } from "./disk.ts";

// For tests: a disk in memory that does what a real one may do. What was not synced may be gone after a crash, or be there in
// part; it can be full, fail, and stop the process at any step.

interface Stored {
  readonly inode: number;
  /** What readers see. */
  content: Buffer;
  /** What a crash leaves for certain. */
  synced: Buffer;
}

/** Thrown at the step at which the process is said to have died, and at each one after it. */
export class SimulatedCrash extends Error {}

export class SimulatedDisk implements Disk {
  /** So many bytes have room. */
  capacity = Number.POSITIVE_INFINITY;
  /** Called before each step that changes something; what it throws, the step throws. */
  beforeStep: (step: string) => void = () => {};
  /** Steps so far. */
  steps = 0;
  /** The process dies before this one. */
  dieAt = Number.POSITIVE_INFINITY;
  readonly #files: Map<string, Stored>;
  /** The folder as it is for certain, and what was done to it since. */
  #syncedFiles: Map<string, Stored>;
  #undone: ((files: Map<string, Stored>) => void)[] = [];
  #lastInode: number;

  constructor(files: ReadonlyMap<string, Stored> = new Map(), lastInode = 0) {
    this.#files = new Map(files);
    this.#syncedFiles = new Map(files);
    this.#lastInode = lastInode;
  }

  list(): string[] {
    this.#live();
    return [...this.#files.keys()];
  }

  create(name: string): DiskFile {
    this.#step(`create ${name}`);
    if (this.#files.has(name)) throw systemError("EEXIST", "open");
    this.#lastInode += 1;
    const stored = { inode: this.#lastInode, content: Buffer.alloc(0), synced: Buffer.alloc(0) };
    this.#change((files) => files.set(name, stored));
    return this.#fileOn(name, stored);
  }

  open(name: string): DiskFile {
    this.#live();
    return this.#fileOn(name, this.#find(name));
  }

  *read(name: string): Iterable<Uint8Array> {
    this.#live();
    const { content } = this.#find(name);
    // In pieces of a strange length, so that lines are cut everywhere.
    for (let at = 0; at < content.length; at += 997) yield content.subarray(at, at + 997);
  }

  rename(from: string, to: string): void {
    this.#step(`rename ${to}`);
    const stored = this.#find(from);
    this.#change((files) => {
      files.delete(from);
      files.set(to, stored);
    });
  }

  remove(name: string): void {
    this.#step(`remove ${name}`);
    this.#find(name);
    this.#change((files) => files.delete(name));
  }

  syncFolder(): void {
    this.#step("sync folder");
    this.#syncedFiles = new Map(this.#files);
    this.#undone = [];
  }

  /** What a reader of the file sees. */
  content(name: string): Buffer {
    return Buffer.from(this.#find(name).content);
  }

  /** The same disk, apart. */
  copy(): SimulatedDisk {
    return this.#with(this.#files, ({ content }) => content);
  }

  /** The same with another content of one file. */
  withContent(name: string, content: Buffer): SimulatedDisk {
    return this.#with(this.#files, (stored, of) => (of === name ? content : stored.content));
  }

  /** What is there after a crash now. */
  afterCrash(chance: Chance): SimulatedDisk {
    const files = new Map(this.#syncedFiles);
    // A journalling file system keeps the order of what is done to a folder.
    for (const change of this.#undone.slice(0, chance.below(this.#undone.length + 1))) change(files);
    return this.#with(files, (stored) => survivor(stored, chance));
  }

  #with(files: ReadonlyMap<string, Stored>, contentOf: (stored: Stored, name: string) => Buffer): SimulatedDisk {
    const copied = [...files].map(([name, stored]): [string, Stored] => {
      const content = Buffer.from(contentOf(stored, name));
      return [name, { inode: stored.inode, content, synced: content }];
    });
    return new SimulatedDisk(new Map(copied), this.#lastInode);
  }

  #fileOn(name: string, stored: Stored): DiskFile {
    const home: FileHome = { device: 1, inode: stored.inode, path: "/simulated" };
    return {
      home,
      get bytes() {
        return stored.content.length;
      },
      append: (bytes) => {
        this.#step(`append ${name}`);
        const room = Math.max(0, this.capacity - this.usedBytes());
        stored.content = Buffer.concat([stored.content, bytes.subarray(0, room)]);
        if (room < bytes.length) throw systemError("ENOSPC", "write");
      },
      truncate: (bytes) => {
        this.#step(`truncate ${name}`);
        stored.content = Buffer.from(stored.content.subarray(0, bytes));
      },
      sync: () => {
        this.#step(`sync ${name}`);
        stored.synced = Buffer.from(stored.content);
      },
      close: () => {},
    };
  }

  usedBytes(): number {
    return [...this.#files.values()].reduce((sum, { content }) => sum + content.length, 0);
  }

  #find(name: string): Stored {
    const stored = this.#files.get(name);
    if (stored === undefined) throw systemError("ENOENT", "open");
    return stored;
  }

  #change(change: (files: Map<string, Stored>) => void): void {
    change(this.#files);
    this.#undone.push(change);
  }

  #step(step: string): void {
    this.steps += 1;
    this.#live();
    this.beforeStep(step);
  }

  #live(): void {
    if (this.steps >= this.dieAt) throw new SimulatedCrash("the process has died");
  }
}

/** An error as the system's calls throw it. */
export function systemError(code: string, syscall: string): Error {
  return Object.assign(new Error(`${code}: simulated, ${syscall}`), { code, syscall });
}

/** A file after a crash: what was synced, and of what was not nothing, all, a beginning, or its length with holes. */
function survivor({ content, synced }: Stored, chance: Chance): Buffer {
  const isLonger = content.subarray(0, synced.length).equals(synced);
  if (!isLonger) return chance.pick([synced, content]);
  const added = content.length - synced.length;
  if (added === 0) return synced;
  const kept = chance.below(added + 1);
  const cut = content.subarray(0, synced.length + kept);
  const holes = Buffer.from(content);
  const from = synced.length + kept;
  holes.fill(0, from, Math.min(content.length, from + 1 + chance.below(512)));
  return chance.pick([synced, content, cut, cut, holes, Buffer.concat([cut, Buffer.alloc(chance.below(5_000))])]);
}
