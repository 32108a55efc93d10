import type { Binding, RateSpec } from "@holdfast/protocol";
import { stepType } from "./bindings.ts";
import type { Place } from "./document.ts";
import { readFields } from "./fields.ts";
import { rateForm, spanMs } from "./form.ts";
import { parseReference } from "./reference.ts";
import type { TaskReading, YamlTask } from "./task.ts";
import { type Type, typeText } from "./type-expression.ts";

/** The key by which a task's runs are counted, which names an argument of the task itself: `input.customer`. */
export function readConcurrencyKey(task: YamlTask, reading: TaskReading): { readonly concurrencyKey?: Binding } {
  const text = task.values.concurrency_key;
  if (text === undefined) return {};
  const at = task.entries.get("concurrency_key")?.node ?? task.at;
  const concurrencyKey = readKey(text, { task, reading, at, what: `${task.what}: "concurrency_key"` });
  return concurrencyKey === undefined ? {} : { concurrencyKey };
}

/** The key by which a task's runs take turns. */
export function readFair(task: YamlTask, reading: TaskReading): { readonly fair?: Binding } {
  const text = task.values.fair;
  if (text === undefined) return {};
  const at = task.entries.get("fair")?.node ?? task.at;
  const fair = readKey(text, { task, reading, at, what: `${task.what}: "fair"` });
  return fair === undefined ? {} : { fair };
}

/** How many of a task's activations may start within a time. */
export function readRate(task: YamlTask, reading: TaskReading): { readonly rate?: RateSpec } {
  const entry = task.entries.get("rate");
  if (entry === undefined) return {};
  const what = `${task.what}: "rate"`;
  const fields = readFields(entry.node, { form: rateForm, what, problems: reading.problems });
  const { limit, per, key } = fields?.values ?? {};
  const at = fields?.entries.get("key")?.node ?? entry.node;
  const binding = key === undefined ? undefined : readKey(key, { task, reading, at, what: `${what}: "key"` });
  if (limit === undefined || per === undefined) return {};
  return { rate: { limit, perMs: spanMs(per), ...(binding === undefined ? {} : { key: binding }) } };
}

interface KeyPlace {
  readonly task: YamlTask;
  readonly reading: TaskReading;
  readonly at: Place;
  readonly what: string;
}

function readKey(text: string, { task, reading, at, what }: KeyPlace): Binding | undefined {
  const { problems } = reading;
  const written = parseReference(text);
  if (written === undefined || written.root !== "input" || written.steps.length === 0) {
    const hint = "Name an argument of the task, input.customer, and bind it under inputs.";
    problems.add(at, `${what} is "${text}"`, hint);
    return undefined;
  }
  let type: Type | undefined = task.input;
  let name = "input";
  for (const step of written.steps) {
    if (type === undefined) break;
    const next = stepType(type, step, name);
    if ("message" in next) {
      problems.add(at, `${what} ${next.message}`, next.hint);
      return undefined;
    }
    type = next;
    name += typeof step === "number" ? `[${step}]` : `.${step}`;
  }
  const inner = type?.kind === "optional" ? type.type : type;
  if (inner?.kind === "list" || inner?.kind === "object" || (inner?.kind === "builtin" && inner.name === "bool")) {
    problems.add(at, `${what} is ${typeText(inner)}`, "A key is a text or a number: step to the field that names it.");
  }
  return { ref: { from: "params", path: [...written.steps] } };
}
