import { crc32 } from "node:zlib";
import type { Change, Summary } from "../memory/changes.ts";
import type { FileHome } from "./disk.ts";

// The lines of the store's files: JSON objects that begin with the CRC-32 of what comes after it,
// {"crc":"1c2d3e4f","seq":17,…}. A line counts when it is whole, ended by a line feed, and its sum is right.

/** Rises when a line changes its meaning. */
export const format = 1;

/** What is written of a file store besides the rows of a memory. */
export type FileChange =
  | Change
  | Summary
  /** The owner's boots, and the incarnation since this one. */
  | { readonly is: "boot"; readonly boot: number; readonly incarnation: string }
  /** In which boot a member was last heard of, and whether from another process. */
  | { readonly is: "residence"; readonly id: string; readonly boot: number; readonly remote: boolean };

export interface FileHeader {
  readonly kind: "journal" | "snapshot";
  readonly format: number;
  readonly generation: number;
  readonly home: FileHome;
}

/**
 * What a line says. Of journals `seq` rises by one from line to line, through all files; of snapshots it counts the file's
 * own lines from 0, and `after` says up to which line of journals the snapshot has everything.
 */
export type LineBody = { readonly seq: number } & (
  | { readonly header: FileHeader }
  /** A commit at its moment, or a piece of a snapshot. */
  | { readonly at?: number; readonly changes: readonly FileChange[] }
  | { readonly end: { readonly after: number; readonly at: number } }
  /** The last line of a journal that is followed by another: that one has to be there. */
  | { readonly next: number }
  | { readonly closed: true }
);

const sumBytes = '{"crc":"00000000",'.length;
const opening = Buffer.from('{"crc":"');

/** The bytes of a line, with its line feed. */
export function encodeLine(body: LineBody): Buffer {
  const rest = Buffer.from(`${JSON.stringify(body).slice(1)}\n`);
  const sum = crc32(rest.subarray(0, -1)).toString(16).padStart(8, "0");
  return Buffer.concat([opening, Buffer.from(`${sum}",`), rest]);
}

/** What a line (without its line feed) says; undefined when its sum is not right. */
export function decodeLine(line: Buffer): LineBody | undefined {
  if (line.length <= sumBytes || !line.subarray(0, opening.length).equals(opening)) return undefined;
  const sum = line.toString("latin1", opening.length, opening.length + 8);
  if (line.toString("latin1", opening.length + 8, sumBytes) !== '",') return undefined;
  if (sum !== crc32(line.subarray(sumBytes)).toString(16).padStart(8, "0")) return undefined;
  return JSON.parse(line.toString()) as LineBody;
}

/** A piece of a file up to a line feed, or to the end. */
export interface RawLine {
  /** From 1. */
  readonly number: number;
  /** Where it begins, in bytes. */
  readonly offset: number;
  readonly bytes: Buffer;
  /** False when the file ends in it. */
  readonly isWhole: boolean;
}

const lineFeed = 10;

export function* splitLines(pieces: Iterable<Uint8Array>): Generator<RawLine> {
  let number = 1;
  let offset = 0;
  let parts: Buffer[] = [];
  const take = (isWhole: boolean): RawLine => {
    const bytes = parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
    const line = { number, offset, bytes, isWhole };
    number += 1;
    offset += bytes.length + Number(isWhole);
    parts = [];
    return line;
  };
  for (const piece of pieces) {
    const buffer = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    let from = 0;
    for (let at = buffer.indexOf(lineFeed); at !== -1; at = buffer.indexOf(lineFeed, from)) {
      parts.push(buffer.subarray(from, at));
      from = at + 1;
      yield take(true);
    }
    if (from < buffer.length) parts.push(buffer.subarray(from));
  }
  if (parts.length > 0) yield take(false);
}

/** Room that a file had been given and nothing was written to: a crash may leave it at a file's end. */
export function isUnwritten({ bytes }: RawLine): boolean {
  return bytes.every((byte) => byte === 0);
}

/** Whether a later line than `seq` stands somewhere in bytes that are no line: then they are not where writing was cut off. */
export function holdsLaterLine({ bytes, isWhole }: RawLine, seq: number): boolean {
  if (!isWhole) return false;
  for (let at = bytes.indexOf(opening); at !== -1; at = bytes.indexOf(opening, at + 1)) {
    const body = decodeLine(bytes.subarray(at));
    if (body !== undefined && body.seq > seq) return true;
  }
  return false;
}
