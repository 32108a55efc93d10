import { z } from "zod";

export const problemSchema = z.strictObject({
  /** Absolute, or relative to the project's root. Empty when no file is to blame. */
  file: z.string(),
  /** From 1; 0 when unknown. */
  line: z.number().int().nonnegative(),
  column: z.number().int().positive().optional(),
  message: z.string(),
  hint: z.string(),
});
/** One mistake in a definition or a configuration: where it is, what is wrong, what is likely meant. */
export type Problem = z.infer<typeof problemSchema>;
