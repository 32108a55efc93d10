import { type Binding, canonicalText, type Json, limits, textDefect, utf8Bytes } from "@holdfast/protocol";
import { type ExpressionData, expressionData } from "./cel.ts";
import { levelsDefect } from "./constant-levels.ts";
import { definitionData } from "./definition.ts";
import { show } from "./options.ts";
import { type ReferenceData, referenceData } from "./reference.ts";
import { tickData } from "./schedule.ts";
import type { StepDefect } from "./shape.ts";

/** What an expression uses, or why it is none. The parser belongs to the compiler; the SDK carries none. */
export type InspectExpression = (text: string) => {
  readonly tasks: readonly string[];
  readonly usesItem: boolean;
  /** True where it can give neither true nor false, whatever it reads. */
  readonly isNoCondition?: boolean;
  readonly defect?: StepDefect;
};

/** Where references may lead from the place that is being bound. */
export interface BindingPlace {
  readonly graph: object;
  /** Set while a map's `key` and `with` are bound. */
  readonly map?: string;
  readonly inspectExpression: InspectExpression;
  readonly hasNode: (name: string) => boolean;
  /** How the handle of a node is told from other objects: its name, and the word for its result. */
  readonly handleOf: (value: object) => { readonly name: string; readonly result: "output" | "outputs" } | undefined;
}

/** What a user's value is as a binding, which nodes it needs, and everything wrong in it. */
export interface BoundValue {
  readonly binding: Binding;
  readonly upstream: ReadonlySet<string>;
  readonly references: readonly ReferenceData[];
  readonly defects: readonly StepDefect[];
}

/** Turns what a user wrote where a value is wanted into a binding. `text` names the place in messages. */
export function bindValue(value: unknown, text: string, place: BindingPlace): BoundValue {
  const reader = new BindingReader(place);
  const binding = reader.read(value, text, []) ?? { const: null };
  return { binding, upstream: reader.upstream, references: reader.references, defects: reader.defects };
}

class BindingReader {
  readonly references: ReferenceData[] = [];
  readonly upstream = new Set<string>();
  readonly defects: StepDefect[] = [];
  readonly #place: BindingPlace;

  constructor(place: BindingPlace) {
    this.#place = place;
  }

  /** Undefined for what JSON leaves out. */
  read(value: unknown, text: string, above: readonly unknown[]): Binding | undefined {
    const defect = levelsDefect(value, text, above);
    if (defect !== undefined) return this.#refuse(defect.message, defect.hint);
    const reference = referenceData(value);
    if (reference !== undefined) return this.#reference(reference, text);
    const expression = typeof value === "object" && value !== null ? expressionData(value) : undefined;
    if (expression !== undefined) return this.#expression(expression, text);
    const tick = tickData(value);
    if (tick !== undefined) {
      const hint = `It exists only in a schedule: bind it to a parameter, schedule: { …, params: { day: schedule.${tick} } }.`;
      return this.#refuse(`${text} is schedule.${tick}`, hint);
    }
    if (value === undefined) return undefined;
    if (value === null || typeof value === "boolean") return { const: value };
    if (typeof value === "string") return this.#string(value, text);
    if (typeof value === "number" && Number.isFinite(value)) return { const: value };
    if (typeof value === "object") return this.#object(value, text, above);
    return this.#unfit(value, text);
  }

  #expression(expression: ExpressionData, text: string): Binding {
    for (const inner of expression.references) this.#reference(inner, text);
    if (expression.text === "" || expression.text.length > 10_000) {
      return this.#refuse(
        `${text} is an expression of ${expression.text.length} characters`,
        "It must have 1 to 10,000.",
      );
    }
    const found = this.#place.inspectExpression(expression.text);
    if (found.defect !== undefined)
      this.#refuse(`${text} is an expression with a mistake: ${found.defect.message}`, found.defect.hint);
    const named = expression.references.map(({ reference }) => reference);
    for (const name of found.tasks) {
      this.upstream.add(name);
      if (this.#place.hasNode(name) || named.some((item) => item.from === "output" && item.node === name)) continue;
      this.#refuse(
        `${text} names tasks.${name}, which is no node above it`,
        "Put a reference into the template: it names its node by itself.",
      );
    }
    if (found.usesItem && this.#place.map === undefined && !named.some((item) => item.from === "item")) {
      this.#refuse(`${text} uses item outside of a map`, 'An item exists only in "key" and "with" of its own map.');
    }
    return { cel: expression.text };
  }

  #reference(data: ReferenceData, text: string): Binding {
    this.references.push(data);
    if (data.reference.from === "output") this.upstream.add(data.reference.node);
    const { owner, reference } = data;
    if (owner.graph !== this.#place.graph) {
      this.#refuse(
        `${text} is ${data.text} of the workflow "${owner.workflow}"`,
        "A workflow sees only its own parameters and nodes: pass the value as a parameter, or return it as that workflow's output.",
      );
    } else if (owner.map !== undefined && owner.map !== this.#place.map) {
      this.#refuse(
        `${text} is the item of the map "${owner.map}"`,
        'An item exists only in "key" and "with" of its own map.',
      );
    }
    return { ref: reference };
  }

  #string(value: string, text: string): Binding {
    const defect = textDefect(value);
    if (defect !== undefined)
      this.#refuse(`${text} contains a ${defect}`, "It cannot be stored: encode it, for example as base64.");
    if (utf8Bytes(value) > limits.inputBytes) {
      this.#refuse(
        `${text} is larger than ${limits.inputBytes} bytes`,
        "Keep large values in a file and pass its name.",
      );
    }
    return { const: value };
  }

  #object(value: object, text: string, above: readonly unknown[]): Binding | undefined {
    if (value instanceof Date) {
      if (!Number.isNaN(value.getTime())) return { const: value.toISOString() };
      return this.#refuse(`${text} is an invalid Date`, "Pass a valid Date or an ISO 8601 string.");
    }
    const handle = this.#place.handleOf(value);
    if (handle !== undefined) {
      return this.#refuse(
        `${text} is the node "${handle.name}" itself`,
        `Pass what it returns: its .${handle.result}.`,
      );
    }
    const definition = definitionData(value);
    if (definition !== undefined) {
      return this.#refuse(
        `${text} is the ${definition.kind} "${definition.id}" itself`,
        "Call it with w.call and pass the call's .output.",
      );
    }
    if (value instanceof Promise)
      return this.#refuse(`${text} is a promise`, "The builder is not asynchronous: pass the value.");
    if (Array.isArray(value)) {
      const within = [...above, value];
      const items = value.map((item: unknown, i) => this.read(item, `${text}[${i}]`, within) ?? { const: null });
      return items.every(isConst) ? { const: items.map((item) => item.const) } : { list: items };
    }
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== null && Object.getPrototypeOf(prototype) !== null) return this.#unfit(value, text);
    return this.#fields(value, text, [...above, value]);
  }

  #fields(value: object, text: string, above: readonly unknown[]): Binding {
    const fields: Record<string, Binding> = {};
    for (const [name, item] of Object.entries(value)) {
      const binding = this.read(item, `${text}.${name}`, above);
      if (binding !== undefined) Object.defineProperty(fields, name, { value: binding, enumerable: true });
    }
    if (!Object.values(fields).every(isConst)) return { object: fields };
    const constant: Record<string, Json> = {};
    for (const [name, item] of Object.entries(fields)) {
      if ("const" in item) Object.defineProperty(constant, name, { value: item.const, enumerable: true });
    }
    return { const: constant };
  }

  #unfit(value: unknown, text: string): Binding {
    const bare = typeof value === "bigint" ? `the bigint ${value}` : show(value);
    const name = typeof value === "object" && value !== null ? `a ${value.constructor?.name ?? "object"}` : bare;
    return this.#refuse(`${text} is ${name}`, "Bind references, expressions and what JSON can say.");
  }

  #refuse(message: string, hint: string): Binding {
    this.defects.push({ message, hint });
    return { const: null };
  }
}

function isConst(binding: Binding): binding is { readonly const: Json } {
  return "const" in binding;
}

/** True when nothing in the binding depends on the map's item. */
export function ignoresItem(binding: Binding): boolean {
  const text = canonicalText(binding);
  return !text.includes('"from":"item"') && !("cel" in binding && /\bitem\b/.test(binding.cel));
}
