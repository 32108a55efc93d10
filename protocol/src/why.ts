import { z } from "zod";
import { runStatusSchema } from "./status.ts";

// Why a run stands where it stands. Each reason is read from stored facts and names a cause: without that cause, the run goes on.

/** `ended`, `still_to_end` and `at_work` are no hindrance; the others are what keeps a run. */
export const reasonCodes = [
  "ended",
  "at_work", // an activation runs
  "upstreams", // runs before it in its workflow have not ended
  "children", // runs below it have not ended
  "sleep", // its body waits for a moment
  "signal", // its body waits for a signal
  "external", // its body waits for a job in another system
  "limit", // it stands in line for a slot of a limit
  "rate", // it stands in line for a start: as many were made as may be in the time of one
  "turn", // runs of the same key go first, in a line in which keys take turns
  "paused", // it, what it belongs to, its definition or its queue
  "retry_delay", // its last attempt failed, and the next is put off
  "start_after", // it was asked to start later
  "order_on_its_way", // a cancel is on its way through its tree: until it is there, nothing of it starts
  "no_node", // nobody claims runs here
  "queue_unserved", // nobody claims runs of its queue
  "nodes_busy", // everybody who does has as many activations as it may
  "about_to_start", // somebody with a free slot claims it in a moment
  "still_to_end", // it was ended by force, and a process that worked for it is still being ended
  "cancelling", // its process or what lies below it is being ended
] as const;
export type ReasonCode = (typeof reasonCodes)[number];

/** A run by name. */
export const runBriefSchema = z.object({
  id: z.string(),
  name: z.string(),
  definition: z.string(),
  status: runStatusSchema,
});
export type RunBrief = z.infer<typeof runBriefSchema>;

export const reasonSchema = z.object({
  code: z.enum(reasonCodes),
  message: z.string(),
  /** What removes the cause, when somebody can. */
  remedy: z.string().nullable(),
  /** Runs that it names: upstreams, children, holders of slots; the first few. */
  runs: z.array(runBriefSchema),
  /** The moment at which it is over by itself; RFC 3339. */
  until: z.string().nullable(),
});
export type Reason = z.infer<typeof reasonSchema>;

/** Reasons of one run. */
export const explainedSchema = z.object({ run: runBriefSchema, reasons: z.array(reasonSchema) });
export type Explained = z.infer<typeof explainedSchema>;

/** `causes`: the runs that it waits for, and those that they wait for, nearest first, each with its own reasons; `more`: not all of them. */
export const whySchema = z.object({
  run: runBriefSchema,
  reasons: z.array(reasonSchema),
  causes: z.array(explainedSchema),
  more: z.boolean(),
});
export type Why = z.infer<typeof whySchema>;
