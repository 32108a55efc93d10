import type { Disk, DiskFile } from "./disk.ts";
import { encodeLine, type FileChange, format, type LineBody } from "./lines.ts";
import { journalName, type Loaded, snapshotName, unfinished } from "./loading.ts";

// What is written, and in which order it reaches the disk, so that a crash between any two of these steps loses nothing:
//
// 1  A commit is one line, appended and synced; only then is anybody answered. A line that could not be written or synced is
//    cut off again, and the next commit waits until everything stands in new files: after a failed sync nobody knows what the
//    old one has.
// 2  A compaction begins with the next journal: made, synced, its name synced, and named by the last line of the one before.
//    Only then do commits go there. The content of that moment is then written to a snapshot, piece by piece between commits, under a name that no reader takes; it is
//    synced, gets its name, and the name is synced. Only then are the older snapshot and journals removed.

/** A snapshot's lines are about so long. */
const snapshotLineBytes = 64 * 1024;

interface Compaction {
  readonly generation: number;
  readonly file: DiskFile;
  readonly content: Iterator<FileChange>;
  readonly after: number;
  readonly at: number;
  lines: number;
}

/** The files of an open store. Failures of the disk are thrown as they come. */
export class Journal {
  readonly #disk: Disk;
  readonly #sliceBytes: number;
  #file: DiskFile;
  #seq: number;
  /** Of the snapshot that stands. */
  #generation: number;
  #snapshotBytes: number;
  /** Journals before the one that is written to, since the snapshot. */
  #older: { generation: number; bytes: number }[];
  #last: number;
  #compaction: Compaction | undefined;
  #isDoubtful = false;

  private constructor(disk: Disk, sliceBytes: number, file: DiskFile, loaded: Omit<Loaded, "homes">) {
    const { generation, snapshotBytes, journals, seq } = loaded;
    this.#disk = disk;
    this.#sliceBytes = sliceBytes;
    this.#file = file;
    this.#seq = seq;
    this.#generation = generation;
    this.#snapshotBytes = snapshotBytes;
    this.#older = journals.slice(0, -1);
    this.#last = journals.at(-1)?.generation ?? generation;
  }

  /** A store with nothing in it. What an earlier try left behind is removed. `sliceBytes`: see `continueCompaction`. */
  static create(disk: Disk, sliceBytes: number, at: number): Journal {
    for (const name of disk.list())
      if (name === journalName(1) || name === unfinished(snapshotName(1))) disk.remove(name);
    const file = newJournal(disk, 1, 1);
    const snapshot = disk.create(unfinished(snapshotName(1)));
    snapshot.append(snapshotHeader(snapshot, 1));
    snapshot.append(encodeLine({ seq: 1, end: { after: 0, at } }));
    const snapshotBytes = snapshot.bytes;
    nameSnapshot(disk, snapshot, 1);
    const journals = [{ generation: 1, bytes: file.bytes }];
    const made = { generation: 1, snapshotBytes, journals, seq: 1, at, tornBytes: 0, leftovers: [] };
    return new Journal(disk, sliceBytes, file, made);
  }

  /** Goes on where what was loaded ends: cuts off a torn tail and removes what nothing needs. */
  static open(disk: Disk, sliceBytes: number, loaded: Loaded): Journal {
    const last = loaded.journals.at(-1);
    const file = disk.open(journalName(last?.generation ?? loaded.generation));
    try {
      if (last !== undefined && file.bytes > last.bytes) {
        file.truncate(last.bytes);
        file.sync();
      }
      for (const name of loaded.leftovers) disk.remove(name);
    } catch (error) {
      file.close();
      throw error;
    }
    return new Journal(disk, sliceBytes, file, loaded);
  }

  /** Bytes of all lines that a snapshot of now would save a reader. */
  get bytes(): number {
    return this.#older.reduce((sum, { bytes }) => sum + bytes, this.#file.bytes);
  }

  /** Names of the files that hold the store. */
  get files(): readonly string[] {
    const journals = [...this.#older.map(({ generation }) => generation), this.#last];
    return [snapshotName(this.#generation), ...journals.map(journalName)];
  }

  get snapshotBytes(): number {
    return this.#snapshotBytes;
  }

  /** True after a sync has failed: everything has to be written to new files before the next commit. */
  get isDoubtful(): boolean {
    return this.#isDoubtful;
  }

  get isCompacting(): boolean {
    return this.#compaction !== undefined;
  }

  /** Keeps changes: they are on the disk when it returns. When it throws they are not there. */
  append(at: number, changes: readonly FileChange[]): void {
    this.#write({ seq: this.#seq + 1, at, changes });
  }

  /** Whether there would be room for `bytes` more. */
  tryRoom(bytes: number): void {
    const before = this.#file.bytes;
    try {
      this.#file.append(new Uint8Array(bytes));
      this.#file.sync();
    } finally {
      this.#file.truncate(before);
    }
  }

  /** `content`: everything that the store holds now, which stays as it is while it is written. */
  beginCompaction(content: Iterable<FileChange>, at: number): void {
    const generation = this.#last + 1;
    this.#leadTo(generation);
    const after = this.#seq - 1;
    const file = this.#disk.create(unfinished(snapshotName(generation)));
    this.#compaction = { generation, file, content: content[Symbol.iterator](), after, at, lines: 1 };
    file.append(snapshotHeader(file, generation));
  }

  /** Writes and syncs the next `sliceBytes` of the snapshot. True while more is left. */
  continueCompaction(): boolean {
    const compaction = this.#compaction;
    if (compaction === undefined) return false;
    const { file, content, generation, after, at } = compaction;
    const until = file.bytes + this.#sliceBytes;
    while (file.bytes < until) {
      const changes = takeSome(content, Math.min(snapshotLineBytes, this.#sliceBytes));
      if (changes.length === 0) {
        file.append(encodeLine({ seq: compaction.lines, end: { after, at } }));
        const bytes = file.bytes;
        this.#compaction = undefined;
        nameSnapshot(this.#disk, file, generation);
        this.#forgetOlder(generation, bytes);
        return false;
      }
      file.append(encodeLine({ seq: compaction.lines, changes }));
      compaction.lines += 1;
    }
    file.sync();
    return true;
  }

  /** Gives the snapshot up; the journals go on. */
  abandonCompaction(): void {
    const compaction = this.#compaction;
    this.#compaction = undefined;
    compaction?.file.close();
    for (const name of this.#disk.list()) {
      if (name === unfinished(snapshotName(this.#last))) this.#disk.remove(name);
    }
  }

  /** Says that nothing was cut off here, so that a last line that is missing later is known to be missing. */
  sayClosed(): void {
    this.#write({ seq: this.#seq + 1, closed: true });
  }

  close(): void {
    this.#compaction?.file.close();
    this.#compaction = undefined;
    this.#file.close();
  }

  #write(body: LineBody): void {
    const before = this.#file.bytes;
    try {
      this.#file.append(encodeLine(body));
      this.#sync();
    } catch (error) {
      this.#file.truncate(before);
      throw error;
    }
    this.#seq = body.seq;
  }

  /** Goes on in the next journal. */
  #leadTo(generation: number): void {
    const before = { generation: this.#last, file: this.#file };
    const next = newJournal(this.#disk, generation, this.#seq + 2);
    try {
      this.#write({ seq: this.#seq + 1, next: generation });
    } catch (error) {
      next.close();
      // Where nobody knows whether that line is there, the journal that it names stays too, and its name is not used again.
      if (this.#isDoubtful) this.#last = generation;
      else this.#disk.remove(journalName(generation));
      throw error;
    }
    this.#older.push({ generation: before.generation, bytes: before.file.bytes });
    before.file.close();
    this.#file = next;
    this.#last = generation;
    this.#seq += 1;
  }

  #sync(): void {
    const before = this.#isDoubtful;
    this.#isDoubtful = true;
    this.#file.sync();
    this.#isDoubtful = before;
  }

  #forgetOlder(generation: number, snapshotBytes: number): void {
    const names = [snapshotName(this.#generation), ...this.#older.map((one) => journalName(one.generation))];
    this.#older = [];
    this.#generation = generation;
    this.#snapshotBytes = snapshotBytes;
    for (const name of names) this.#disk.remove(name);
  }
}

/** Enough changes for a line; none at the end. */
function takeSome(content: Iterator<FileChange>, lineBytes: number): FileChange[] {
  const changes: FileChange[] = [];
  for (let bytes = 0; bytes < lineBytes; ) {
    const { done, value } = content.next();
    if (done === true) break;
    changes.push(value);
    bytes += JSON.stringify(value).length;
  }
  return changes;
}

/** A journal to which can be written: it is on the disk with its name. */
function newJournal(disk: Disk, generation: number, seq: number): DiskFile {
  const name = journalName(generation);
  if (disk.list().includes(name)) disk.remove(name);
  const file = disk.create(name);
  try {
    const { home } = file;
    file.append(encodeLine({ seq, header: { kind: "journal", format, generation, home } }));
    file.sync();
    disk.syncFolder();
    return file;
  } catch (error) {
    file.close();
    disk.remove(name);
    throw error;
  }
}

function snapshotHeader({ home }: DiskFile, generation: number): Buffer {
  return encodeLine({ seq: 0, header: { kind: "snapshot", format, generation, home } });
}

/** Lets readers see a snapshot that is written. */
function nameSnapshot(disk: Disk, file: DiskFile, generation: number): void {
  const name = snapshotName(generation);
  file.sync();
  file.close();
  disk.rename(unfinished(name), name);
  disk.syncFolder();
}
