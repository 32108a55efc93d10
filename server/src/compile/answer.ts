import { manifestSchema, problemSchema, scheduleSpecSchema } from "@holdfast/protocol";
import { z } from "zod";

// What crosses between the compiler and the process that loads user code.

/** After this the process answers which file has not come to its end. */
const limitMs = z.number().int().positive();

/** What the process is told, as JSON on its standard input. */
export const compileRequestSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("definitions"),
    root: z.string(),
    /** Absolute paths, in order. */
    files: z.array(z.string()),
    /** Files that were named one by one: each must export something. */
    named: z.array(z.string()),
    /** Names of the configuration's connections; absent where another's configuration holds. */
    connections: z.array(z.string()).optional(),
    /** The configured Python. */
    python: z.string().optional(),
    limitMs,
  }),
  z.strictObject({ kind: z.literal("config"), root: z.string(), file: z.string(), limitMs }),
]);
export type CompileRequest = z.infer<typeof compileRequestSchema>;

/** What it answers on descriptor 3. */
export const compileAnswerSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("definitions"),
    manifests: z.array(manifestSchema),
    schedules: z.array(scheduleSpecSchema),
    /** Absolute paths of the user files that were loaded, imports included. */
    loaded: z.array(z.string()),
    problems: z.array(problemSchema),
  }),
  z.strictObject({ kind: z.literal("config"), config: z.json(), problems: z.array(problemSchema) }),
]);
export type CompileAnswer = z.infer<typeof compileAnswerSchema>;

/** A line before the answer: the process begins to load a file. */
export const compileNoteSchema = z.strictObject({ kind: z.literal("loading"), file: z.string() });
export type CompileNote = z.infer<typeof compileNoteSchema>;
