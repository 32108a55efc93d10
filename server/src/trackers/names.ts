import { createHash } from "node:crypto";

/**
 * A name that follows from a token and from nothing else. Every service takes it: a lower-case letter first, then letters, digits
 * and one hyphen, 49 characters.
 */
export function nameOf(token: string): string {
  return `holdfast-${shortHash(token)}`;
}

/** 40 characters of hexadecimal digits: request ids may be no longer. */
export function shortHash(token: string): string {
  return createHash("sha256").update(token).digest("hex").slice(0, 40);
}
