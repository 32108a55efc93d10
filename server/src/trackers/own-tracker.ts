import { type JobLink, type Json, jsonSchema, submissionClasses } from "@holdfast/protocol";
import { z } from "zod";
import type { Tracker } from "./tracker.ts";

// Trackers that users write in TypeScript: modules whose exports are made by `tracker({…})`. They are recognised by a mark and not by
// their class, for their copy of this package may be another.

const trackerMark = Symbol.for("holdfast.tracker");

/** What a user writes: a Tracker with the parts that seldom matter left out. */
export type OwnTracker<Spec extends Json, Ref extends Json> = Omit<
  Tracker<Spec, Ref, Json>,
  "settings" | "spec" | "ref" | "describe" | "connect"
> & {
  readonly spec?: z.ZodType<Spec>;
  readonly ref?: z.ZodType<Ref>;
  /** One line and pages for people; default the ref as JSON. */
  describe?(ref: Ref, settings: Json): { readonly externalId: string; readonly links?: readonly JobLink[] };
};

/** Defines a tracker of one's own. Export the result from a module that a connection names. */
export function tracker<Spec extends Json, Ref extends Json>(own: OwnTracker<Spec, Ref>): OwnTracker<Spec, Ref> {
  return Object.defineProperty({ ...own }, trackerMark, { value: true });
}

const functionSchema = z.custom<(...given: never[]) => unknown>(
  (value) => typeof value === "function",
  "is no function",
);
const shapeSchema = z.looseObject({
  service: z.string().regex(/^[a-z][a-z0-9_-]{0,62}$/, "is no name of a service: lower-case letters, digits, _ and -"),
  poll: functionSchema,
  submit: functionSchema.optional(),
  find: functionSchema.optional(),
  cancel: functionSchema.optional(),
  watch: functionSchema.optional(),
  watchGroup: functionSchema.optional(),
  submission: functionSchema.optional(),
});

/** The trackers that a module exports. Throws an Error that says what is wrong with one. */
export function exportedTrackers(exports: Readonly<Record<string, unknown>>, file: string): Tracker[] {
  const found: Tracker[] = [];
  for (const [name, value] of Object.entries(exports)) {
    if (typeof value !== "object" || value === null || !(trackerMark in value)) continue;
    const shape = shapeSchema.safeParse(value);
    if (!shape.success) throw new Error(`${file}: ${name} is no tracker: ${z.prettifyError(shape.error)}`);
    found.push(completed(value as unknown as OwnTracker<Json, Json>, `${file}: ${name}`));
  }
  if (found.length === 0) throw new Error(`${file} exports nothing that tracker({ … }) has made.`);
  return found;
}

function completed(own: OwnTracker<Json, Json>, place: string): Tracker {
  if (own.submit !== undefined && own.submission === undefined) {
    throw new Error(
      `${place} can submit and does not say its class: submission: () => "${submissionClasses.join('" | "')}".`,
    );
  }
  const whole: Tracker<Json, Json, Json> = {
    ...own,
    settings: jsonSchema,
    ref: own.ref ?? jsonSchema,
    ...(own.submit !== undefined && { spec: own.spec ?? jsonSchema }),
    describe: (ref, settings) => {
      const said = own.describe?.(ref, settings);
      return { externalId: said?.externalId ?? JSON.stringify(ref).slice(0, 2_000), links: said?.links ?? [] };
    },
  };
  return whole;
}
