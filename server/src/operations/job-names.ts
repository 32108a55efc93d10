import { createHash } from "node:crypto";
import { childId, jobIdentity, jobTokenIdentity, type NewJob, type WaitName } from "../core/index.ts";

/** What follows from a job's place: its id, and the token with which it is submitted. */
export function jobNames(
  { runId, generation, key }: WaitName,
  number: number,
  incarnation: string,
): Pick<NewJob, "id" | "number" | "token"> {
  const id = childId(runId, sha256(jobIdentity(runId, generation, key, number)));
  const token = sha256(jobTokenIdentity(incarnation, id)).toString("hex").slice(0, 32);
  return { id, number, token };
}

/** What is kept of the secret in a one-time address. */
export function callbackHash(secret: string): string {
  return sha256(secret).toString("hex");
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
