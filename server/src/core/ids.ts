// Deterministic ids. An id is 20 characters of Crockford's base 32 in lower case: 7 for the second in which its tree began
// (so that rows of one time lie together in an index) and 13 (65 bits) that are random for a root without a key, else a hash.
// Hashing and randomness come in as bytes: core computes neither.

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
const timeLength = 7;
const tailLength = 13;
const idPattern = /^[0-9a-hjkmnp-tv-z]{20}$/;

/** The id of a root that begins at `nowMs`. `tail`: at least 9 bytes, random or hashed. */
export function rootId(nowMs: number, tail: Uint8Array): string {
  return timePart(nowMs) + tailPart(tail);
}

/** The id of a child: its tree's time and the hash of `childIdentity`. */
export function childId(parentId: string, hash: Uint8Array): string {
  return parentId.slice(0, timeLength) + tailPart(hash);
}

/** What a child's id is the hash of: where it hangs, in which generation of its parent, and its name there. */
export function childIdentity(parentId: string, generation: number, name: string): string {
  return JSON.stringify(["run", parentId, generation, name]);
}

/** What a keyed root's id is the hash of. */
export function keyIdentity(namespace: string, definition: string, key: string): string {
  return JSON.stringify(["key", namespace, definition, key]);
}

/** True for a text that has the shape of a whole id. */
export function isRunId(text: string): boolean {
  return idPattern.test(text);
}

/** What `ctx.token(key)` is derived from: equal over retries, new with a clear or a restored store. */
export function tokenIdentity(incarnation: string, runId: string, generation: number): string {
  return JSON.stringify(["token", incarnation, runId, generation]);
}

/** What an external job's id is the hash of; its id is made of that as a child's is. */
export function jobIdentity(runId: string, generation: number, key: string, number: number): string {
  return JSON.stringify(["job", runId, generation, key, number]);
}

/** What the token of a submission is derived from: new with each number, with a clear, and with a restored store (DESIGN §5). */
export function jobTokenIdentity(incarnation: string, jobId: string): string {
  return JSON.stringify(["submission", incarnation, jobId]);
}

function timePart(nowMs: number): string {
  let seconds = Math.max(0, Math.floor(nowMs / 1_000));
  let text = "";
  for (let i = 0; i < timeLength; i++) {
    text = (alphabet[seconds % 32] ?? "0") + text;
    seconds = Math.floor(seconds / 32);
  }
  return text;
}

function tailPart(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = (value << 8) | byte;
    bits += 8;
    while (bits >= 5 && text.length < tailLength) {
      bits -= 5;
      text += alphabet[(value >> bits) & 31] ?? "0";
    }
    value &= (1 << bits) - 1;
  }
  return text;
}
