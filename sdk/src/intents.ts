import { AppError, type Json, type StartRun, textDefect } from "@holdfast/protocol";
import { firstRow, sendIn } from "./transaction-kinds.ts";

// Promises in a transaction of the caller's own database: `holdfast.enqueue`, `signal` and `cancel` of the store's schema.

/** Where promises go: the namespace of those who are to keep them. `refusal`: there is nobody who could. */
export interface IntentPlace {
  readonly namespace: string;
  readonly refusal?: AppError | undefined;
}

/** Which run is to end, or is sent a signal: its id, or the key under which it was started. */
export type RunTarget = string | { readonly id: string } | { readonly definition: string; readonly key: string };

const enqueueText = `select holdfast.enqueue($1::text, $2::text::jsonb, key => $3::text, namespace => $4::text,
  priority => $5::text::integer, start_after => $6::text::timestamptz, expires_after => $7::text::interval,
  key_retention => $8::text::interval, traceparent => $9::text) as id`;

const cancelText = `select holdfast.cancel(run => $1::text, definition => $2::text, key => $3::text, reason => $4::text,
  namespace => $5::text) as id`;

const signalText = `select holdfast.signal(run => $1::text, definition => $2::text, key => $3::text, name => $4::text,
  payload => $5::text::jsonb, namespace => $6::text) as id`;

/** Promises a run. Answers its id. */
export async function promiseRun(transaction: object, request: StartRun, place: IntentPlace): Promise<string> {
  const { definition, input = {}, key, priority, startAfter, expiresAfterMs, keyRetentionMs, traceparent } = request;
  refuseDefects({ definition, key: key ?? null, input });
  const id = await ask(transaction, place, enqueueText, [
    definition,
    JSON.stringify(input),
    key ?? null,
    place.namespace,
    priority === undefined ? null : String(priority),
    startAfter ?? null,
    spanText(expiresAfterMs),
    spanText(keyRetentionMs),
    traceparent ?? null,
  ]);
  if (id === null) throw new Error("holdfast.enqueue answered no id");
  return id;
}

/** Promises that a run is ordered to end. */
export async function promiseCancel(
  transaction: object,
  target: RunTarget,
  { reason, ...place }: IntentPlace & { readonly reason?: string | undefined },
): Promise<void> {
  const { run, definition, key } = namedBy(target);
  refuseDefects({ reason: reason ?? null, definition, key });
  await ask(transaction, place, cancelText, [run, definition, key, reason ?? null, place.namespace]);
}

/** Promises that a run is sent a signal. */
export async function promiseSignal(
  transaction: object,
  target: RunTarget,
  { name, payload, ...place }: IntentPlace & { readonly name: string; readonly payload: Json },
): Promise<void> {
  const { run, definition, key } = namedBy(target);
  refuseDefects({ name, payload, definition, key });
  await ask(transaction, place, signalText, [run, definition, key, name, JSON.stringify(payload), place.namespace]);
}

function namedBy(target: RunTarget): { run: string | null; definition: string | null; key: string | null } {
  if (typeof target === "string") return { run: target, definition: null, key: null };
  if ("id" in target) return { run: target.id, definition: null, key: null };
  return { run: null, definition: target.definition, key: target.key };
}

async function ask(
  transaction: object,
  { refusal }: IntentPlace,
  text: string,
  values: readonly (string | null)[],
): Promise<string | null> {
  if (refusal !== undefined) throw refusal;
  const send = sendIn(transaction);
  let answer: unknown;
  try {
    answer = await send(text, values);
  } catch (error) {
    throw intentFailure(error);
  }
  const id = firstRow(answer)?.id;
  return typeof id === "string" ? id : null;
}

/** What the database said of a promise, where that says what to do; else its library's own error. */
function intentFailure(error: unknown): unknown {
  const { state, message, hint } = databaseError(error);
  switch (state) {
    case "3F000": // no such schema
    case "42883": // no such function
      return new AppError(
        "unsupported",
        "The database of this transaction has no functions of Holdfast for this version.",
        {
          hint: "A PostgreSQL store has to lie in the database of your own tables: holdfast migrate --store postgres://…",
          cause: error,
        },
      );
    case "42501": // no privilege
      return new AppError("invalid_request", "The role of this transaction may not make intents.", {
        hint: "Grant it: holdfast migrate --grant-enqueue-to ROLE.",
        cause: error,
      });
    case "22004":
    case "22023": // raised by the functions themselves
      return new AppError("invalid_request", message, { ...(hint === undefined ? {} : { hint }), cause: error });
    default:
      return error;
  }
}

/** Libraries wrap what the driver has thrown, each in its own way. */
function databaseError(error: unknown): { state?: string; message: string; hint?: string } {
  let message = error instanceof Error ? error.message : String(error);
  for (let at: unknown = error, depth = 0; typeof at === "object" && at !== null && depth < 6; depth++) {
    const state = textOf(at, "originalCode") ?? textOf(at, "code");
    if (state !== undefined && /^(?!P\d{4}$)[0-9A-Z]{5}$/.test(state)) {
      message = textOf(at, "originalMessage") ?? textOf(at, "message") ?? message;
      const hint = textOf(at, "hint");
      return { state, message, ...(hint === undefined ? {} : { hint }) };
    }
    at = inner(at);
  }
  return { message };
}

function inner(error: object): unknown {
  for (const name of ["cause", "meta", "driverAdapterError"]) {
    if (name in error) return (error as Readonly<Record<string, unknown>>)[name];
  }
  return undefined;
}

function textOf(of: object, name: string): string | undefined {
  const value = (of as Readonly<Record<string, unknown>>)[name];
  return typeof value === "string" ? value : undefined;
}

/** PostgreSQL cannot keep these texts, and would fail the whole transaction. */
function refuseDefects(values: Readonly<Record<string, Json>>): void {
  for (const [name, value] of Object.entries(values)) {
    const text = JSON.stringify(value);
    const defect = /\\u(?:0000|d[89a-f])/.test(text) ? defectOf(value) : undefined;
    if (defect !== undefined) throw new AppError("invalid_request", `The ${name} contains a ${defect}.`);
  }
}

function defectOf(value: Json): string | undefined {
  if (typeof value === "string") return textDefect(value);
  if (typeof value !== "object" || value === null) return undefined;
  for (const [name, item] of Object.entries(value)) {
    const defect = textDefect(name) ?? defectOf(item);
    if (defect !== undefined) return defect;
  }
  return undefined;
}

function spanText(ms: number | undefined): string | null {
  return ms === undefined ? null : `${ms} milliseconds`;
}
