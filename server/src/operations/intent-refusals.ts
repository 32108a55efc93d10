import { AppError, type RunError } from "@holdfast/protocol";
import type { IntentResult, IntentRow } from "../store/intents.ts";
import { signalAfterEnd, tooManySignals } from "./signals.ts";

// Why intents are rejected that were judged well and that the store could not carry out.

/** Undefined: it was carried out, or will be. */
export function refusalOf(row: IntentRow, result: IntentResult): AppError | undefined {
  switch (result.outcome) {
    case "kept":
    case "elsewhere":
    case "outdated":
    case "later":
      return undefined;
    case "key_conflict":
      return new AppError("key_conflict", `The key "${row.key}" of "${row.definition}" was used with another input.`, {
        hint: `Its run is ${result.runId}. Use another key for other input.`,
        details: { runId: result.runId },
      });
    case "missing":
      return new AppError("not_found", `There is no ${nameOf(row)} to ${row.kind}.`, {
        hint: "It may have been deleted after its retention.",
      });
    case "ended":
      return signalAfterEnd(result.runId, result.status);
    case "limit_exceeded":
      return tooManySignals(result.runId);
    case "withheld":
      return new AppError(
        "intent_rejected",
        `The ${nameOf(row)} was promised and could not be made: ${result.error.message}`,
        {
          hint: "Once that is mended, both are tried again: holdfast intents retry --all.",
        },
      );
  }
}

function nameOf({ key, runId, definition }: IntentRow): string {
  return key === null ? `run ${runId}` : `run of "${definition}" under the key "${key}"`;
}

/** As a run or an intent keeps it. */
export function asRunError({ code, message, hint, details }: AppError): RunError {
  return {
    code,
    message,
    ...(hint === undefined ? {} : { hint }),
    ...(details === undefined ? {} : { details: JSON.parse(JSON.stringify(details)) }),
  };
}
