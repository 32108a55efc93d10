import { createHash } from "node:crypto";
import { canonicalText } from "@holdfast/protocol";

// The names of writes that their body does not name: `verb/scope/name#n`, n counted in this activation. What says by itself which value
// is to be there afterwards (set, delete, clear, setIfMax) also has 8 digits of its arguments in it: a body that begins again and goes
// on from what it reads then writes on, and is not answered by the record of an earlier value. python: state_keys.py.

/** Longer names are cut: a step's key has 512 characters at most. */
const nameCharacters = 400;

/** The name of a write before it is counted. `args`: of one that is absolute. */
export function writeName(verb: string, scope: string, name: string, args?: unknown): string {
  const short = name.length <= nameCharacters ? name : `~${digits(name, 32)}`;
  const place = short === "" ? `${verb}/${scope}` : `${verb}/${scope}/${short}`;
  return args === undefined ? place : `${place}@${digits(canonicalText(args), 8)}`;
}

function digits(text: string, count: number): string {
  return createHash("sha256").update(text).digest("hex").slice(0, count);
}

/** What a record says of the changes that it is of. */
export function changesHash(ops: unknown): string {
  return digits(canonicalText(ops), 64);
}
