import { type Binding, type Duration, type JsonObject, limits, type Problem, type RateSpec } from "@holdfast/protocol";
import { bindValue, type InspectExpression } from "./binding.ts";
import type { Bound } from "./bound.ts";
import type { TaskData, WorkflowData } from "./definition.ts";
import { OptionReader, show } from "./options.ts";
import { makeReference, type Ref, ReferenceMisuse, referenceData } from "./reference.ts";
import { isDefect, kindsOf, type Shape, schemaShape, stepInto, unknownShape } from "./shape.ts";
import type { Position } from "./source-position.ts";

// What a definition reads off the input of its runs before they start: by reference, as everything that is bound.

/** Called once, when the definition is compiled, with a reference to the input. */
export type KeyOf<I> = (input: Ref<I>) => Bound<string | number | null>;

/** At most `limit` starts within any time of that length. */
export interface RateOptions<I> {
  readonly limit: number;
  /** At most 30 days. */
  readonly per: Duration;
  /** What it is counted by: a text or a number in the input; null asks for no limit. */
  readonly key?: KeyOf<I>;
}

type Limited = (TaskData | WorkflowData) & { readonly id: string; readonly position: Position | undefined };

export interface LimitSpecs {
  readonly concurrency?: number;
  readonly concurrencyKey?: Binding;
  readonly rate?: RateSpec;
  readonly fair?: Binding;
}

/** What a definition says of how many of its runs may be under way and start. Keys see its input alone, as `params`. */
export function readLimits(
  data: Limited,
  input: JsonObject | undefined,
  inspectExpression: InspectExpression,
): LimitSpecs & { readonly problems: readonly Problem[] } {
  const reader = new OptionReader(data.options, `${data.kind} "${data.id}"`, data.position);
  const concurrency = new OptionReader(data.options, "", data.position).concurrency();
  const of = { reader, workflow: data.id, input, inspectExpression };
  const concurrencyKey = bindKey("concurrencyKey", reader.value("concurrencyKey"), of);
  const fair = bindKey("fair", reader.value("fair"), of);
  const rate = readRate(reader.value("rate"), { ...of, at: data.position });
  return {
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(concurrencyKey === undefined ? {} : { concurrencyKey }),
    ...(rate === undefined ? {} : { rate }),
    ...(fair === undefined ? {} : { fair }),
    problems: reader.problems.found,
  };
}

interface KeyReading {
  readonly reader: OptionReader;
  readonly workflow: string;
  readonly input: JsonObject | undefined;
  readonly inspectExpression: InspectExpression;
}

function readRate(value: unknown, of: KeyReading & { readonly at: Position | undefined }): RateSpec | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "object" || value === null) {
    of.reader.add(`"rate" is ${show(value)}`, 'Write an object: { limit: 100, per: "1m" }.');
    return undefined;
  }
  const inner = new OptionReader(value, `${of.reader.what}: rate`, of.at);
  inner.onlyKnown(["limit", "per", "key"]);
  for (const name of ["limit", "per"]) {
    if (inner.value(name) === undefined) inner.add(`"${name}" is missing`, 'Write rate: { limit: 100, per: "1m" }.');
  }
  const limit = inner.number("limit", { min: 1, max: limits.slots, integer: true });
  const perMs = inner.duration("per");
  if (perMs !== undefined && perMs > limits.ratePerMs)
    inner.add(`"per" is ${show(inner.value("per"))}`, "A rate's time is at most 30 days.");
  const key = bindKey("key", inner.value("key"), { ...of, reader: inner });
  of.reader.problems.found.push(...inner.problems.found);
  if (limit === undefined || perMs === undefined) return undefined;
  return { limit, perMs, ...(key === undefined ? {} : { key }) };
}

function bindKey(option: string, given: unknown, of: KeyReading): Binding | undefined {
  const { workflow, reader, input, inspectExpression } = of;
  if (given === undefined) return undefined;
  if (typeof given !== "function" || referenceData(given) !== undefined) {
    reader.add(
      `"${option}" is ${show(given)}`,
      `Write a function of the input: { ${option}: (input) => input.customer }.`,
    );
    return undefined;
  }
  const graph = {};
  const owner = { workflow, graph };
  const whole = makeReference<unknown>({ reference: { from: "params", path: [] }, owner, text: "input" });
  const place = { graph, inspectExpression, hasNode: () => false, handleOf: () => undefined };
  try {
    const bound = bindValue((given as (input: unknown) => unknown)(whole), `"${option}"`, place);
    for (const defect of bound.defects) reader.add(defect.message, defect.hint);
    checkKey(option, bound.binding, { reader, input });
    return bound.binding;
  } catch (error) {
    if (!(error instanceof ReferenceMisuse)) throw error;
    reader.add(error.message.replace(/\.$/, ""), error.hint);
    return undefined;
  }
}

function checkKey(
  option: string,
  binding: Binding,
  { reader, input }: { readonly reader: OptionReader; readonly input: JsonObject | undefined },
): void {
  if ("cel" in binding) return;
  if (!("ref" in binding)) {
    const hint = `Return a reference to a text or a number, or an expression: { ${option}: (input) => input.customer }.`;
    reader.add(`"${option}" does not come from the input`, hint);
    return;
  }
  const shape = follow(schemaShape(input), binding.ref.path, reader);
  const kinds = kindsOf(shape);
  if (kinds !== undefined && !kinds.has("string") && !kinds.has("number")) {
    reader.add(
      `"${option}" is ${[...kinds].join(" or ")}, no text or number`,
      "Step into the field that names the key.",
    );
  }
}

function follow(from: Shape, path: readonly (string | number)[], reader: OptionReader): Shape {
  let shape = from;
  let text = "input";
  for (const step of path) {
    const next = stepInto(shape, step, text);
    if (isDefect(next)) {
      reader.add(next.message, next.hint);
      return unknownShape;
    }
    shape = next;
    text += typeof step === "number" ? `[${step}]` : `.${step}`;
  }
  return shape;
}
