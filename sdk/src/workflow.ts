import { checkSchema, readId } from "./asset.ts";
import type { Resolved } from "./bound.ts";
import type { Builder, Handle } from "./builder.ts";
import { checkStartOn } from "./consuming.ts";
import { makeDefinition, type Workflow, type WorkflowData, type WorkflowOptions } from "./definition.ts";
import type { KeyOf, RateOptions } from "./definition-key.ts";
import { OptionReader, show } from "./options.ts";
import type { Schedules } from "./schedule.ts";
import { callerPosition } from "./source-position.ts";
import type { InputOf, OutputOf, StandardSchema } from "./standard-schema.ts";
import type { Stored } from "./stored.ts";

const known = [
  "id",
  "description",
  "params",
  "priority",
  "concurrency",
  "concurrencyKey",
  "rate",
  "fair",
  "expiresAfter",
  "schedule",
  "startOn",
];
const later = ["deadlines", "onFailure", "onSuccess", "queue", "retry", "timeout"];

type CallerParams<P> = P extends StandardSchema ? InputOf<P> : unknown;
type BuilderParams<P> = P extends StandardSchema ? Stored<OutputOf<P>> : unknown;
type NoHandle<R> = R extends Handle ? { readonly "return its output instead": never } : unknown;

/**
 * Declares a workflow. The builder runs once, when the project is compiled, on references; what it returns is bound to the
 * workflow's output. Mistakes are reported then.
 */
export function workflow<R, P extends StandardSchema | undefined = undefined>(
  options: WorkflowOptions & {
    readonly params?: P;
    readonly schedule?: Schedules<NoInfer<CallerParams<P>>>;
    /** What `concurrency` (default 1) is counted by: a text or a number in the parameters; null asks for no limit. */
    readonly concurrencyKey?: KeyOf<NoInfer<BuilderParams<P>>>;
    /** How many of its runs may start within a time, of all or of each key. */
    readonly rate?: RateOptions<NoInfer<BuilderParams<P>>>;
    /** The key by which its runs take turns to start. */
    readonly fair?: KeyOf<NoInfer<BuilderParams<P>>>;
  },
  builder: (w: Builder<BuilderParams<P>>) => R & NoHandle<R>,
): Workflow<CallerParams<P>, Resolved<R>>;
export function workflow(options: WorkflowData["options"], builder: WorkflowData["builder"]): object {
  const position = callerPosition();
  const id = readId(options);
  const reader = new OptionReader(options, `workflow ${show(id)}`, position);
  reader.onlyKnown(known, later);
  if (id === "") reader.add('it has no "id"', 'Give it one: workflow({ id: "nightly" }, …).');
  else reader.id("id");
  reader.text("description");
  checkSchema(reader, "params");
  reader.number("priority", { min: -1_000, max: 1_000, integer: true });
  reader.concurrency();
  reader.duration("expiresAfter");
  checkStartOn(reader);
  if (typeof builder !== "function") {
    reader.add(`its builder is ${show(builder)}`, "Pass a function second: workflow({ id }, (w) => { … }).");
  }
  const data = { kind: "workflow", options, builder, id, position, problems: reader.problems.found } as const;
  return makeDefinition(data);
}
