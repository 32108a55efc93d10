import { AppError } from "@holdfast/protocol";
import type { EnqueueRow } from "../store/store.ts";

/** The error for a key or an Idempotency-Key that was used for something else. */
export function conflict(code: "key_conflict" | "request_conflict", row: EnqueueRow, runId: string): AppError {
  const details = { runId };
  if (code === "key_conflict") {
    const message = `The key "${row.key?.key ?? ""}" of "${row.run.definition}" was used with another input.`;
    return new AppError(code, message, { hint: `Its run is ${runId}. Use another key for other input.`, details });
  }
  const message = "This Idempotency-Key was used for another request.";
  return new AppError(code, message, { hint: `That request started ${runId}.`, details });
}
