import { AppError } from "@holdfast/protocol";
import type { Disk, FileHome } from "./disk.ts";
import { damaged, missing } from "./failures.ts";
import {
  decodeLine,
  type FileChange,
  type FileHeader,
  format,
  holdsLaterLine,
  isUnwritten,
  type LineBody,
  type RawLine,
  splitLines,
} from "./lines.ts";

// How a folder is read: the snapshot of the highest generation, then its journal and those after it, up to the end or to where
// writing was cut off. What stands in the middle has to be right, or the folder is refused and left as it is.

export const snapshotName = (generation: number) => `snapshot-${generation}.jsonl`;
export const journalName = (generation: number) => `journal-${generation}.jsonl`;
/** The name of a snapshot that is being written. */
export const unfinished = (name: string) => `${name}.new`;

const namePattern = /^(snapshot|journal)-([1-9]\d{0,14})\.jsonl$/;
const unfinishedPattern = /^snapshot-\d+\.jsonl\.new$/;

/** What a folder held. */
export interface Loaded {
  /** Of the snapshot. */
  readonly generation: number;
  readonly snapshotBytes: number;
  /** Of the journals, from the snapshot's own to the last, to which is written. */
  readonly journals: readonly { readonly generation: number; readonly bytes: number }[];
  /** Of the last line. */
  readonly seq: number;
  /** The moment of the last commit. */
  readonly at: number;
  /** Where the files that were read said to be when they were made. */
  readonly homes: readonly { readonly file: string; readonly home: FileHome }[];
  /** Bytes after the last whole line of the last journal. */
  readonly tornBytes: number;
  /** Files that nothing needs any more. */
  readonly leftovers: readonly string[];
}

interface JournalEnd {
  readonly seq: number;
  readonly bytes: number;
  readonly tornBytes: number;
  /** The generation of the journal that follows. */
  readonly next: number | undefined;
}

/** Called for each line with changes, in order. */
type Apply = (changes: readonly FileChange[]) => void;

/** Reads what is in the folder; undefined when no store has been made in it yet. Changes nothing. */
export function load(disk: Disk, folder: string, apply: Apply): Loaded | undefined {
  return new Loading(disk, folder, apply).load();
}

class Loading {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #apply: Apply;
  readonly #homes: { file: string; home: FileHome }[] = [];
  #at = 0;

  constructor(disk: Disk, folder: string, apply: Apply) {
    this.#disk = disk;
    this.#folder = folder;
    this.#apply = apply;
  }

  load(): Loaded | undefined {
    const names = this.#disk.list();
    const snapshots = generations(names, "snapshot");
    const journals = generations(names, "journal");
    const leftovers = names.filter((name) => unfinishedPattern.test(name));
    const generation = snapshots.at(-1);
    if (generation === undefined) {
      const [first] = journals;
      if (first === undefined) return undefined;
      // The first journal is made before the first snapshot, and nothing is written to it before that one stands.
      if (journals.length > 1 || first !== 1 || this.#isBegun(first)) throw missing(this.#folder, snapshotName(first));
      return undefined;
    }
    const { after, bytes: snapshotBytes } = this.#readSnapshot(generation);
    const read: { generation: number; bytes: number }[] = [];
    let end = { seq: after, bytes: 0, tornBytes: 0 };
    for (let next: number | undefined = generation; next !== undefined; ) {
      if (!journals.includes(next)) throw missing(this.#folder, journalName(next));
      const journal: JournalEnd = this.#readJournal(next, end.seq, this.#begunAfter(journals, next));
      read.push({ generation: next, bytes: journal.bytes });
      end = journal;
      next = journal.next;
    }
    leftovers.push(...snapshots.filter((one) => one < generation).map(snapshotName));
    // One that no other leads to was made for a compaction that did not get further.
    const isRead = (one: number) => read.some((journal) => journal.generation === one);
    leftovers.push(...journals.filter((one) => !isRead(one)).map(journalName));
    const { seq, tornBytes } = end;
    return { generation, snapshotBytes, journals: read, seq, at: this.#at, homes: this.#homes, tornBytes, leftovers };
  }

  /** Journals of later generations in which something was written. */
  #begunAfter(journals: readonly number[], generation: number): string[] {
    return journals.filter((one) => one > generation && this.#isBegun(one)).map(journalName);
  }

  /** Whether anything stands after a journal's header. */
  #isBegun(generation: number): boolean {
    for (const line of splitLines(this.#disk.read(journalName(generation)))) {
      if (line.number > 1 && !isUnwritten(line)) return true;
      this.#refuseNewer(line, journalName(generation));
    }
    return false;
  }

  #readSnapshot(generation: number): { after: number; bytes: number } {
    const file = snapshotName(generation);
    let end: { after: number; at: number } | undefined;
    let bytes = 0;
    for (const line of splitLines(this.#disk.read(file))) {
      const body = this.#bodyOf(line, file);
      const isRight = body?.seq === line.number - 1 && end === undefined && (line.number > 1 || "header" in body);
      if (body === undefined || !isRight) this.#refuse(file, line, [line], []);
      if ("header" in body) this.#takeHeader(body.header, file, line);
      else if ("changes" in body) this.#take(body.changes, file, line);
      else if ("end" in body) end = body.end;
      bytes = line.offset + line.bytes.length + 1;
    }
    if (end === undefined) {
      throw damaged({ folder: this.#folder, file, line: 1, offset: bytes, what: "it has no end", ...nothingAfter });
    }
    this.#at = Math.max(this.#at, end.at);
    return { after: end.after, bytes };
  }

  #readJournal(generation: number, after: number, filesAfter: readonly string[]): JournalEnd {
    const file = journalName(generation);
    let seq = after;
    let bytes = 0;
    let next: number | undefined;
    const bad: RawLine[] = [];
    for (const line of splitLines(this.#disk.read(file))) {
      // What was still to follow when the process died: nothing did.
      if (next !== undefined && isUnwritten(line)) continue;
      const body = bad.length > 0 || next !== undefined ? undefined : this.#bodyOf(line, file);
      if (body === undefined || body.seq !== seq + 1 || (line.number === 1 && !("header" in body))) {
        bad.push(line);
        continue;
      }
      seq = body.seq;
      bytes = line.offset + line.bytes.length + 1;
      if ("header" in body) this.#takeHeader(body.header, file, line);
      else if ("next" in body) next = body.next;
      else if ("changes" in body) {
        this.#at = Math.max(this.#at, body.at ?? 0);
        this.#take(body.changes, file, line);
      }
    }
    const [first] = bad;
    if (first === undefined) {
      if (bytes === 0) this.#refuseEnd(file, { number: 1, offset: 0 }, "it is empty", filesAfter);
      if (next !== undefined || filesAfter.length === 0) return { seq, bytes, tornBytes: 0, next };
      this.#refuseEnd(file, { number: 1, offset: bytes }, `it does not lead to ${filesAfter[0]}`, filesAfter);
    }
    const isTail =
      bytes > 0 && next === undefined && filesAfter.length === 0 && !bad.some((line) => holdsLaterLine(line, seq + 1));
    if (!isTail) this.#refuse(file, first, bad, filesAfter);
    const tornBytes = bad.reduce((sum, line) => sum + line.bytes.length + Number(line.isWhole), 0);
    return { seq, bytes, tornBytes, next };
  }

  #refuseEnd(
    file: string,
    { number: line, offset }: Pick<RawLine, "number" | "offset">,
    what: string,
    filesAfter: readonly string[],
  ): never {
    throw damaged({ folder: this.#folder, file, line, offset, what, linesAfter: 0, filesAfter });
  }

  #bodyOf(line: RawLine, file: string): LineBody | undefined {
    if (line.number === 1) this.#refuseNewer(line, file);
    return line.isWhole ? decodeLine(line.bytes) : undefined;
  }

  #take(changes: readonly FileChange[], file: string, { number, offset }: RawLine): void {
    try {
      this.#apply(changes);
    } catch (cause) {
      const what = `it does not follow from what comes before (${cause instanceof Error ? cause.message : String(cause)})`;
      throw damaged({ folder: this.#folder, file, line: number, offset, what, ...nothingAfter });
    }
  }

  #takeHeader({ home }: FileHeader, file: string, line: RawLine): void {
    if (line.number > 1) this.#refuse(file, line, [line], []);
    this.#homes.push({ file, home });
  }

  /** Looked at before the sum, which a later version may count in another way. */
  #refuseNewer({ bytes }: RawLine, file: string): void {
    let found: unknown;
    try {
      found = (JSON.parse(bytes.toString()) as { header?: { format?: unknown } } | null)?.header?.format;
    } catch {
      return;
    }
    if (typeof found !== "number" || found <= format) return;
    throw new AppError(
      "store_newer",
      `The store ${this.#folder} has format ${found} (${file}); this version knows up to ${format}.`,
      { hint: "Use the version of Holdfast that last opened it, or a newer one." },
    );
  }

  #refuse(file: string, at: RawLine, bad: readonly RawLine[], filesAfter: readonly string[]): never {
    const after = bad.slice(1).filter((line) => line.isWhole && decodeLine(line.bytes) !== undefined).length;
    const found = at.isWhole ? decodeLine(at.bytes) : undefined;
    const what =
      found === undefined ? "its checksum is wrong" : `it is line ${found.seq} of the store, out of its order`;
    const { number: line, offset } = at;
    throw damaged({ folder: this.#folder, file, line, offset, what, linesAfter: after, filesAfter });
  }
}

const nothingAfter = { linesAfter: 0, filesAfter: [] } as const;

function generations(names: readonly string[], kind: string): number[] {
  const found = names.map((name) => namePattern.exec(name)).filter((match) => match?.[1] === kind);
  return found.map((match) => Number(match?.[2])).sort((a, b) => a - b);
}

/** Files of a folder that are none of a store's. */
export function strangers(names: readonly string[]): string[] {
  return names.filter(
    (name) => !namePattern.test(name) && !unfinishedPattern.test(name) && !/^(store\.|\.)/.test(name),
  );
}
