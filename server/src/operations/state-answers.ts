import { AppError, limits, type StateView } from "@holdfast/protocol";
import type { StateValue } from "../store/state-verbs.ts";
import { timeText } from "./run-views.ts";
import type { PlainResult } from "./state-objects.ts";

// What is answered of state, to bodies and to people alike. No message says a value: it may be a secret.

export function stateView({ key, value, version, writer, createdAt, updatedAt, expiresAt }: StateValue): StateView {
  return {
    ...{ key, value, version },
    writer: writer === null ? null : { run: writer.runId, epoch: writer.epoch },
    createdAt: new Date(createdAt).toISOString(),
    updatedAt: new Date(updatedAt).toISOString(),
    expiresAt: timeText(expiresAt),
  };
}

/** One change, as far as its refusal speaks of it. */
export interface RefusedOp {
  readonly op: string;
  readonly key?: string | undefined;
  readonly ifVersion?: number | undefined;
  /** Whose state it is: `run 1ngej3…`, `task load`. */
  readonly whose: string;
}

type Refusal = Exclude<PlainResult, { readonly outcome: "applied" | "existing" | "stale_epoch" }>;

/** Why changes were not made. */
export function stateRefusal(refusal: Refusal, ops: readonly RefusedOp[]): AppError {
  const index = refusal.index ?? 0;
  const { op = "", key = "", ifVersion, whose = "" } = ops[index] ?? {};
  const at = `"${key}" of ${whose}`;
  switch (refusal.outcome) {
    case "conflict": {
      const { version } = refusal;
      const is = version === 0 ? "is not there" : `has version ${version}`;
      const wanted = ifVersion === 0 ? "it was not to be there yet" : `it was to have version ${ifVersion}`;
      return new AppError("state_conflict", `${at} ${is}; ${wanted}. Nothing was changed.`, {
        hint: "Read it again and decide anew; `update` does that by itself.",
        details: { index, key, version },
      });
    }
    case "mismatch":
      return mismatch(at, { index, key, op, was: refusal.was });
    case "limit_exceeded": {
      const { limit } = refusal;
      const place =
        refusal.index === undefined
          ? "the run"
          : /^state(Value|Object)Bytes$/.test(limit)
            ? at
            : `the state of ${whose}`;
      return new AppError("limit_exceeded", `The limit of ${limits[limit]} ${limit} is reached by ${place}.`, {
        hint: hints[limit] ?? usualHint,
        details: { index, key, limit, allowed: limits[limit] },
      });
    }
    case "not_found":
      return new AppError("not_found", `There is no ${whose}.`);
  }
}

const usualHint =
  "Keep large values in a file or an object store and their names in the state; delete what is not needed any more.";
const hints: { readonly [limit: string]: string } = {
  stateValueBytes: `With a state backend (state.backend in holdfast.config.ts) a value may have ${limits.stateObjectBytes} bytes. ${usualHint}`,
};

function mismatch(at: string, details: { index: number; key: string; op: string; was: string }): AppError {
  const { op, was } = details;
  const message =
    was === "overflow"
      ? `${at} cannot be incremented: the sum is none that JSON keeps exactly.`
      : `${at} is a ${was}, and ${op} works on ${worksOn[op] ?? "something else"}.`;
  return new AppError("state_mismatch", `${message} Nothing was changed.`, {
    hint: "Look at what is there, or set it first.",
    details,
  });
}

const worksOn: Readonly<Record<string, string>> = {
  increment: "numbers",
  append: "lists",
  advance: "watermarks of one kind: numbers, texts, or lists as long as the one that is there",
  setIfMax: "numbers and texts, each with its own kind",
};
