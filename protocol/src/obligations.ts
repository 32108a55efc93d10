import { z } from "zod";
import { limits } from "./limits.ts";

// What orders to end have still to bring to an end, or had to, over HTTP.

export const obligationViewSchema = z.object({
  /**
   * `activation`: a process, or code in a node, that works for a run. `external_job`: a job in another system. `clean_up`: a run's
   * `onCancel`, which is to be carried out.
   */
  kind: z.enum(["activation", "external_job", "clean_up"]),
  runId: z.string(),
  /** Of an activation: its epoch. Of an external job: its id. Of a clean-up: a number of its own. */
  subject: z.string(),
  /** The name of the node that has to end it; null: any may. */
  node: z.string().nullable(),
  /** Why it is to end. */
  reason: z.string(),
  orderedAt: z.iso.datetime(),
  /** When its run ended without waiting for it; null: the run waits. */
  forcedAt: z.iso.datetime().nullable(),
  /** How often its node tried, as far as that was written down; the last time, and why that was not enough. */
  tries: z.number().int(),
  lastTryAt: z.iso.datetime().nullable(),
  error: z.string().nullable(),
  /** Null while it is open. */
  metAt: z.iso.datetime().nullable(),
});
/** One obligation. */
export type ObligationView = z.infer<typeof obligationViewSchema>;

export const listObligationsQuerySchema = z.strictObject({
  /** Only those of the tree of this run, with those that are met; else all that are open. */
  run: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(limits.pageRows).default(100),
});
/** The longest ordered first. `more`: there are others. */
export const obligationPageSchema = z.object({ obligations: z.array(obligationViewSchema), more: z.boolean() });
export type ObligationPage = z.infer<typeof obligationPageSchema>;
