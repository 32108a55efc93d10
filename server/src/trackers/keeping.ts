import {
  type Json,
  jobLinkSchema,
  jobProgressSchema,
  jsonSchema,
  limits,
  nestsDeeper,
  type Observation,
  observationSchema,
  type PollResult,
  pollResultSchema,
  storableText,
  textDefect,
  utf8Bytes,
} from "@holdfast/protocol";
import { z } from "zod";
import { failureOf, shortText, transient } from "./failures.ts";

// What a tracker says of a job, as it can be kept. Where a job stands is told whatever else is said of it: texts are cut, and what is only
// for show is left out. A result is kept as it is or not at all, and then it is told why (`unkept`).

const shownSchema = z.looseObject({
  rawStatus: z.string(),
  progress: jobProgressSchema.optional().catch(undefined),
  links: z.array(jobLinkSchema).max(20).optional().catch(undefined),
  startedAt: z.number().optional().catch(undefined),
  endedAt: z.number().optional().catch(undefined),
  nextPollMs: z.number().nonnegative().optional().catch(undefined),
});
const textLimits = { rawStatus: 199, code: 199, message: 2_000, hint: 2_000, warning: 2_000, unkept: 2_000 } as const;

/** One look, whatever the tracker gave for it. What is no look at all is a transient failure: it may be right the next time. */
export function keepable(said: unknown): PollResult {
  const observation = isObject(said) && "observation" in said ? said.observation : undefined;
  const parsed = pollResultSchema.safeParse(observation === undefined ? said : { observation: fitted(observation) });
  if (parsed.success) return parsed.data as PollResult;
  return {
    failure: failureOf(transient("malformed_answer", `The tracker says of it: ${z.prettifyError(parsed.error)}`)),
  };
}

/** The same of what a watch tells; undefined: it is no observation. */
export function keepableObservation(said: unknown): Observation | undefined {
  return observationSchema.safeParse(fitted(said)).data as Observation | undefined;
}

function fitted(said: unknown): unknown {
  if (!isObject(said)) return said;
  const { result, ...others } = said;
  const shown = shownSchema.safeParse(others);
  if (!shown.success) return others;
  const texts = Object.entries(textLimits).flatMap(([name, characters]) => {
    const text = others[name];
    return typeof text === "string" ? [[name, shortText(text, characters)] as const] : [];
  });
  const { progress, links } = shown.data;
  const whole = {
    ...shown.data,
    ...Object.fromEntries(Object.keys(textLimits).map((name) => [name, undefined])),
    ...Object.fromEntries(texts),
    progress: progress && storable(progress),
    links: links && storable(links),
  };
  const rest = Object.fromEntries(Object.entries(whole).filter(([, value]) => value !== undefined));
  if (result === undefined) return rest;
  const unkept = unkeptBy(result);
  if (unkept === undefined) return { ...rest, result };
  // Of what has not succeeded nobody wants one.
  return others.phase === "succeeded" ? { ...rest, unkept } : rest;
}

/** Why a result cannot be kept; undefined: it can. */
function unkeptBy(result: unknown): string | undefined {
  if (nestsDeeper(result, limits.nestingLevels)) return `it is nested deeper than ${limits.nestingLevels} levels`;
  if (!jsonSchema.safeParse(result).success) return "it is no JSON";
  const bytes = utf8Bytes(JSON.stringify(result));
  if (bytes > limits.jobResultBytes) return `it has ${bytes} bytes, more than ${limits.jobResultBytes}`;
  const defect = defectIn(result as Json);
  return defect === undefined ? undefined : `a text in it has a ${defect}, which cannot be stored`;
}

function defectIn(value: Json): string | undefined {
  if (typeof value === "string") return textDefect(value);
  if (typeof value !== "object" || value === null) return undefined;
  for (const [name, item] of Object.entries(value)) {
    const defect = textDefect(name) ?? defectIn(item as Json);
    if (defect !== undefined) return defect;
  }
  return undefined;
}

function storable(shown: object): unknown {
  return JSON.parse(JSON.stringify(shown), (_, value: unknown) =>
    typeof value === "string" ? storableText(value) : value,
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
