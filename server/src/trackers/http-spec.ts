import { type Json, jsonSchema } from "@holdfast/protocol";
import { z } from "zod";
import { pointerTo } from "./pointer.ts";

// What people write about a job behind an address of their own, and what Ork's CustomHttp wrote in its two spellings.

const urlSchema = z.string().min(1).max(8_000);
const headersSchema = z.record(z.string().regex(/^[\w!#$%&'*+.^`|~-]+$/), z.string().regex(/^[^\r\n\0]*$/));
const pointerSchema = z.string().regex(/^(\/([^~]|~[01])*)?$/, 'is no JSON pointer such as "/job/status"');
const methodSchema = z.enum(["GET", "POST", "PUT", "PATCH", "DELETE"]);
const valuesSchema = z.array(z.union([z.string(), z.number(), z.boolean()])).min(1);

const callSchema = z.strictObject({
  /** Absolute, or relative to the connection's `baseUrl`. */
  url: urlSchema,
  method: methodSchema.optional(),
  headers: headersSchema.optional(),
  /** Sent as JSON; a text is sent as it is. */
  body: jsonSchema.optional(),
});
export type HttpCall = z.infer<typeof callSchema>;

/** What a status of HTTP means, where it is not the usual; `body`: look there. */
const codesSchema = z.record(
  z.string().regex(/^[1-5]\d\d$/, "is no status of HTTP"),
  z.enum(["body", "queued", "running", "succeeded", "failed", "cancelled", "gone"]),
);

const pollSchema = callSchema.extend({
  /** Where the status stands; default `/status`. */
  status: pointerSchema.optional(),
  /** Which values mean what. With `running`, any other value is told as unknown; without, it is just running. */
  statuses: z
    .strictObject({
      queued: valuesSchema.optional(),
      running: valuesSchema.optional(),
      succeeded: valuesSchema.optional(),
      failed: valuesSchema.optional(),
      cancelled: valuesSchema.optional(),
    })
    .optional(),
  codes: codesSchema.optional(),
  /** Where in the answer these stand. */
  message: pointerSchema.optional(),
  result: pointerSchema.optional(),
  progress: pointerSchema.optional(),
  link: pointerSchema.optional(),
  cancel: callSchema.optional(),
  /** The job's name for people; default the address. */
  job_id: z.string().max(2_000).optional(),
});

function decides(poll: z.infer<typeof pollSchema>): boolean {
  return poll.statuses?.succeeded !== undefined || Object.values(poll.codes ?? {}).includes("succeeded");
}

const decidedPollSchema = pollSchema.refine(decides, {
  error: 'it says nowhere what success is, as statuses: { succeeded: ["done"] } or codes do',
});
export type HttpRef = z.infer<typeof pollSchema>;

/** Ork's: fields of the outermost object, one value each. `success_status_codes` are those whose body counts. */
const orkSchema = z
  .object({
    url: urlSchema,
    method: methodSchema.nullish(),
    headers: headersSchema.nullish(),
    status_field: z.string().optional(),
    completion_field: z.string().optional(),
    success_value: z.union([z.string(), z.number(), z.boolean()]).optional(),
    completion_value: z.union([z.string(), z.number(), z.boolean()]).optional(),
    failure_value: z.union([z.string(), z.number(), z.boolean()]).nullish(),
    success_status_codes: z.array(z.number().int().min(100).max(599)).nullish(),
    job_id: z.string().optional(),
  })
  .transform((ork): HttpRef => {
    const codes = Object.fromEntries((ork.success_status_codes ?? []).map((code) => [String(code), "body" as const]));
    return {
      url: ork.url,
      ...(ork.method && { method: ork.method }),
      ...(ork.headers && Object.keys(ork.headers).length > 0 && { headers: ork.headers }),
      status: pointerTo(ork.status_field ?? ork.completion_field ?? "status"),
      statuses: {
        succeeded: [ork.success_value ?? ork.completion_value ?? "success"],
        ...(ork.failure_value !== undefined && ork.failure_value !== null && { failed: [ork.failure_value] }),
      },
      ...(Object.keys(codes).length > 0 && { codes }),
      message: "/error",
      ...(ork.job_id !== undefined && ork.job_id !== ork.url && { job_id: ork.job_id }),
    };
  });

const orkFields =
  /^(service_type|status_field|completion_field|success_value|completion_value|failure_value|success_status_codes)$/;

function isOrk(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).some((key) => orkFields.test(key));
}

/** A job that is there already: how to ask for it. */
export const httpRefSchema = z.unknown().transform((value, context): HttpRef => {
  const parsed = (isOrk(value) ? orkSchema : decidedPollSchema).safeParse(value);
  if (parsed.success) return parsed.data;
  for (const { path, message } of parsed.error.issues) context.addIssue({ code: "custom", path: [...path], message });
  return z.NEVER;
}) as unknown as z.ZodType<HttpRef>;

/**
 * A job that is to be started: how, and how to ask for it then. `{token}` stands for the submission's token, `{name}` for what
 * `capture` takes from the answer.
 */
export const httpSpecSchema = z
  .strictObject({
    submit: callSchema,
    capture: z.record(z.string().regex(/^[A-Za-z]\w*$/), pointerSchema).optional(),
    poll: decidedPollSchema,
  })
  .refine((spec) => spec.capture?.token === undefined, { error: '"token" is the name of the submission\'s own token' });
export type HttpSpec = z.infer<typeof httpSpecSchema>;

/** Whether a template asks for a value. */
export function mentions(template: unknown, name: string): boolean {
  return JSON.stringify(template).includes(`{${name}}`);
}

type Values = Readonly<Record<string, string>>;

/** The call with values in their places; those in URLs are encoded, so that no value leaves its place. */
export function fill<T extends HttpCall & { readonly cancel?: HttpCall | undefined }>(call: T, values: Values): T {
  const { url, cancel, ...others } = call;
  const filled = {
    ...(fillValue(others as Json, values) as object),
    url: fillText(url, values, encodeURIComponent),
  } as T;
  return cancel === undefined ? filled : { ...filled, cancel: fill(cancel, values) };
}

function fillText(text: string, values: Values, encode: (value: string) => string): string {
  return text.replaceAll(/\{([A-Za-z]\w*)\}/g, (whole, name: string) => {
    return Object.hasOwn(values, name) ? encode(values[name] ?? "") : whole;
  });
}

function fillValue<T extends Json>(template: T, values: Values): T {
  if (typeof template === "string") return fillText(template, values, String) as T;
  if (typeof template !== "object" || template === null) return template;
  if (Array.isArray(template)) return template.map((item: Json) => fillValue(item, values)) as unknown as T;
  const entries = Object.entries(template as Readonly<Record<string, Json>>);
  return Object.fromEntries(entries.map(([key, value]) => [key, fillValue(value, values)])) as unknown as T;
}
