import { AppError, type AssetSpec, type Json, type StartingEvent, type StateOp } from "@holdfast/protocol";
import type { AssetEvent } from "../core/index.ts";
import type { Evaluator } from "./evaluation/evaluator.ts";
import type { Schema } from "./schema-fit.ts";

// What is answered of assets, to bodies and to people alike.

/** An event as bodies have it, also in the input of the runs that it starts. */
export function startingEvent({ number, key, payload, at, writer }: AssetEvent): StartingEvent {
  return { number, key, payload, at: new Date(at).toISOString(), run: writer?.runId ?? null };
}

/** Nothing declares it: it is not there, whatever is kept of it. */
export function undeclaredAsset(name: string): AppError {
  return new AppError("not_found", `There is no asset "${name}".`, {
    hint: "Assets are there while a definition that was applied declares them; holdfast assets list names them.",
  });
}

type AssetOp =
  | Pick<Extract<StateOp, { op: "advance" }>, "op" | "key" | "to" | "event">
  | Pick<Extract<StateOp, { op: "emit" }>, "op" | "payload">;

/** Whether what is told fits what the asset declares. Throws `invalid_input`, which names the place. */
export async function checkAssetOp(evaluator: Evaluator, spec: AssetSpec, op: AssetOp): Promise<void> {
  const of = `of the asset "${spec.id}"`;
  const event = { schema: spec.event, subject: `event ${of}`, what: `An event ${of}` };
  if (op.op === "emit") return checkFit(evaluator, op.payload, event);
  const subject = `watermark "${op.key}" ${of}`;
  await checkFit(evaluator, op.to as Json, { schema: spec.watermark, subject, what: `The ${subject}` });
  if (op.event !== undefined) await checkFit(evaluator, op.event.payload, event);
}

async function checkFit(
  evaluator: Evaluator,
  value: Json,
  { schema, subject, what }: { schema: Json | undefined; subject: string; what: string },
): Promise<void> {
  if (typeof schema !== "object" || schema === null) return;
  const options = { what: `schema of the ${subject}`, useDefaults: false };
  const bounded = { what: `Checking the ${subject}`, code: "invalid_input" } as const;
  const fitted = await evaluator.fit(value, schema as Schema, options, bounded);
  if ("value" in fitted) return;
  throw new AppError("invalid_input", `${what} does not fit what the asset declares: ${fitted.problem}.`, {
    hint: "The asset's declaration says what fits: asset({ id, watermark, event }).",
  });
}
