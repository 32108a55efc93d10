import { createHash } from "node:crypto";
import { canonicalText } from "@holdfast/protocol";

/** The name of a JSON value: SHA-256 of its canonical text (RFC 8785), in hexadecimal. Throws TypeError on what is no JSON. */
export function canonicalHash(value: unknown): string {
  return createHash("sha256").update(canonicalText(value), "utf8").digest("hex");
}
