import type { Binding } from "@holdfast/protocol";
import { stepType } from "./bindings.ts";
import { parseReference } from "./reference.ts";
import type { TaskReading, YamlTask } from "./task.ts";
import { type Type, typeText } from "./type-expression.ts";

/** The key of a task's runs, which names an argument of the task itself: `input.customer`. */
export function readConcurrencyKey(
  { values, entries, what, at, input }: YamlTask,
  { problems }: TaskReading,
): { readonly concurrencyKey?: Binding } {
  const text = values.concurrency_key;
  if (text === undefined) return {};
  const place = entries.get("concurrency_key")?.node ?? at;
  const written = parseReference(text);
  if (written === undefined || written.root !== "input" || written.steps.length === 0) {
    const hint = "Name an argument of the task: concurrency_key: input.customer, and bind it under inputs.";
    problems.add(place, `${what}: "concurrency_key" is "${text}"`, hint);
    return {};
  }
  let type: Type | undefined = input;
  let name = "input";
  for (const step of written.steps) {
    if (type === undefined) break;
    const next = stepType(type, step, name);
    if ("message" in next) {
      problems.add(place, `${what}: "concurrency_key" ${next.message}`, next.hint);
      return {};
    }
    type = next;
    name += typeof step === "number" ? `[${step}]` : `.${step}`;
  }
  const inner = type?.kind === "optional" ? type.type : type;
  if (inner?.kind === "list" || inner?.kind === "object" || (inner?.kind === "builtin" && inner.name === "bool")) {
    const hint = "A key is a text or a number: step to the field that names it.";
    problems.add(place, `${what}: "concurrency_key" is ${typeText(inner)}`, hint);
  }
  return { concurrencyKey: { ref: { from: "params", path: [...written.steps] } } };
}
