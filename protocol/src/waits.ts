import { z } from "zod";
import { runErrorSchema } from "./errors.ts";
import { recordedJobSchema } from "./jobs.ts";
import { type Json, jsonSchema } from "./json.ts";
import { limits } from "./limits.ts";

// What a body waits for, and how that is recorded: under its key, among the run's steps. The record of a wait is told from
// that of a step by its mark, so that one key is never both.

/** A moment, a signal by its name, the end of a run that the body called, or of a job in another system. */
export const waitKinds = ["sleep", "signal", "call", "external"] as const;
export type WaitKind = (typeof waitKinds)[number];

const mark = "holdfast.wait";

export const waitRecordSchema = z.strictObject({
  [mark]: z.enum(waitKinds),
  /**
   * `done`: slept, signalled, or the called run or the job succeeded. `failed`: that did not. `timed_out`: no signal came, or the
   * job was ended because its time was over. `dropped`: a race was decided without it.
   */
  end: z.enum(["done", "failed", "timed_out", "dropped"]),
  /** Of what it was asked with; null: not known any more. */
  hash: z.string().nullable(),
  /** The try in which it ended. What failed or timed out answers in that try alone, as a step that throws is no record. */
  attempt: z.number().int(),
  /** A signal's payload, a called run's output or a job's result unless it is large. */
  value: jsonSchema.optional(),
  /** The called run. */
  run: z.string().optional(),
  /** The job, however it ended; those of waits that were dropped are not told. */
  job: recordedJobSchema.optional(),
  /** The output of the called run, or the job's result, has to be read by `output.get`. */
  large: z.boolean().optional(),
  /** How the called run or the job ended, where it did not succeed. */
  status: z.string().optional(),
  error: runErrorSchema.optional(),
});
/** How a wait ended. */
export type WaitRecord = z.infer<typeof waitRecordSchema>;

/** The record of a wait as it is kept. */
export function waitRecord(kind: WaitKind, facts: Omit<WaitRecord, typeof mark>): Json {
  return { [mark]: kind, ...facts } as unknown as Json;
}

/** The record that a step's value is, or undefined where it is no wait's. */
export function asWaitRecord(value: Json): (WaitRecord & { readonly kind: WaitKind }) | undefined {
  if (typeof value !== "object" || value === null || !(mark in value)) return undefined;
  const parsed = waitRecordSchema.safeParse(value);
  return parsed.success ? { ...parsed.data, kind: parsed.data[mark] } : undefined;
}

/** Whether a recorded value answers in this try. A job that succeeded is not done again, though its result could not be kept. */
export function isStanding(value: Json, attempt: number): boolean {
  const record = asWaitRecord(value);
  if (record === undefined || record.status === "succeeded") return true;
  return record.end === "done" || record.end === "dropped" || record.attempt === attempt;
}

/** Bytes of a run's records that an open wait takes up beforehand, so that its record always fits. */
export const reservedBytes: Readonly<Record<WaitKind, number>> = {
  sleep: 512,
  signal: limits.signalBytes + 512,
  call: limits.waitValueBytes + 4_096,
  external: limits.waitValueBytes + 8_192,
};

/** One wait of a run, as people and programs see it. */
export const waitViewSchema = z.object({
  key: z.string(),
  kind: z.enum(waitKinds),
  /** When it is over by itself; RFC 3339, null: never. */
  until: z.iso.datetime().nullable(),
  /** The name of the signal. */
  signal: z.string().nullable(),
  /** The run that was called. */
  runId: z.string().nullable(),
  /** The external job. */
  jobId: z.string().nullable(),
  since: z.iso.datetime(),
});
export type WaitView = z.infer<typeof waitViewSchema>;

/** A signal that was sent and that nobody has waited for. */
export const keptSignalSchema = z.object({ name: z.string(), sentAt: z.iso.datetime() });
export type KeptSignalView = z.infer<typeof keptSignalSchema>;

export const signalRunSchema = z.strictObject({
  name: z.string().min(1).max(limits.keyCharacters),
  payload: jsonSchema.optional(),
});
export type SignalRun = z.infer<typeof signalRunSchema>;

/** `delivered`: a wait for it was open; else it is kept for one. `repeated`: this request had been carried out before. */
export const signalledSchema = z.object({
  runId: z.string(),
  outcome: z.enum(["delivered", "kept", "repeated"]),
  /** Of one that is kept: names of other signals that the run waits for; absent where it waits for none. */
  waitsFor: z.array(z.string()).optional(),
});
export type Signalled = z.infer<typeof signalledSchema>;
