import type { Binding, JsonObject } from "@holdfast/protocol";
import { bindValue, type InspectExpression } from "./binding.ts";
import type { Bound } from "./bound.ts";
import type { TaskData, WorkflowData } from "./definition.ts";
import { type OptionReader, show } from "./options.ts";
import { makeReference, type Ref, ReferenceMisuse, referenceData } from "./reference.ts";
import { isDefect, kindsOf, type Shape, schemaShape, stepInto, unknownShape } from "./shape.ts";
import type { Position } from "./source-position.ts";

// What a definition reads off the input of its runs before they start: by reference, as everything that is bound.

/** Called once, when the definition is compiled, with a reference to the input. */
export type KeyOf<I> = (input: Ref<I>) => Bound<string | number | null>;

type Keyed = (TaskData | WorkflowData) & { readonly id: string; readonly position: Position | undefined };

/** The binding of a definition's key, `params` in it being the definition's own input. Mistakes are added to the reader's problems. */
export function bindKey(
  option: "concurrencyKey",
  of: { readonly data: Keyed; readonly reader: OptionReader; readonly input: JsonObject | undefined },
  inspectExpression: InspectExpression,
): Binding | undefined {
  const { data, reader, input } = of;
  const given = reader.value(option);
  if (given === undefined) return undefined;
  if (typeof given !== "function" || referenceData(given) !== undefined) {
    reader.add(
      `"${option}" is ${show(given)}`,
      `Write a function of the input: { ${option}: (input) => input.customer }.`,
    );
    return undefined;
  }
  const graph = {};
  const owner = { workflow: data.id, graph };
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
