import {
  closeSync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";

// What the file store asks of a disk, so that a test can put one in its place that forgets what was not synced, is full, or
// fails (disk.fixture.ts). Everything blocks: the store lives in a thread of its own.

/** Which file it is, wherever it was moved: a copy has another home. */
export interface FileHome {
  readonly device: number;
  readonly inode: number;
  /** Of the folder. */
  readonly path: string;
}

/** A file that is written at its end. */
export interface DiskFile {
  readonly home: FileHome;
  readonly bytes: number;
  /** When it throws, a part may have been written. */
  append(bytes: Uint8Array): void;
  truncate(bytes: number): void;
  /** What was written is on the disk when it returns. */
  sync(): void;
  close(): void;
}

/** One folder. Throws the system's errors. */
export interface Disk {
  list(): string[];
  /** A new file; throws when there is one. */
  create(name: string): DiskFile;
  open(name: string): DiskFile;
  /** From the beginning, in pieces. */
  read(name: string): Iterable<Uint8Array>;
  rename(from: string, to: string): void;
  remove(name: string): void;
  /** What was created, renamed and removed is so on the disk when it returns. */
  syncFolder(): void;
}

const pieceBytes = 1024 * 1024;

/** The disk itself, in a folder that is there. */
export function diskAt(folder: string): Disk {
  const place = (name: string) => join(folder, name);
  const path = realpathSync(folder);
  return {
    list: () => readdirSync(folder),
    create: (name) => new RealFile(openSync(place(name), "wx", 0o600), path),
    open: (name) => new RealFile(openSync(place(name), "r+"), path),
    read: (name) => pieces(place(name)),
    rename: (from, to) => renameSync(place(from), place(to)),
    remove: (name) => rmSync(place(name)),
    syncFolder: () => {
      syncFolder(path);
      syncFolder(dirname(path));
    },
  };
}

class RealFile implements DiskFile {
  readonly home: FileHome;
  readonly #descriptor: number;
  #bytes: number;
  #isClosed = false;

  constructor(descriptor: number, path: string) {
    this.#descriptor = descriptor;
    const { dev, ino, size } = fstatSync(descriptor);
    this.home = { device: dev, inode: ino, path };
    this.#bytes = size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  append(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const written = writeSync(this.#descriptor, bytes, at, bytes.length - at, this.#bytes);
      at += written;
      this.#bytes += written;
    }
  }

  truncate(bytes: number): void {
    ftruncateSync(this.#descriptor, bytes);
    this.#bytes = bytes;
  }

  sync(): void {
    fdatasyncSync(this.#descriptor);
    if (fstatSync(this.#descriptor).nlink > 0) return;
    // Written to a file without a name, it would be lost with this process.
    throw Object.assign(new Error("ENOENT: the file was removed while it was written to"), {
      code: "ENOENT",
      syscall: "fdatasync",
    });
  }

  close(): void {
    if (!this.#isClosed) closeSync(this.#descriptor);
    this.#isClosed = true;
  }
}

function* pieces(path: string): Generator<Uint8Array> {
  const descriptor = openSync(path, "r");
  try {
    for (;;) {
      const piece = Buffer.allocUnsafe(pieceBytes);
      const read = readSync(descriptor, piece, 0, pieceBytes, null);
      if (read === 0) return;
      yield piece.subarray(0, read);
    }
  } finally {
    closeSync(descriptor);
  }
}

function syncFolder(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
