import type { Reference } from "@holdfast/protocol";
import { type ReferenceData, ReferenceMisuse, referenceData } from "./reference.ts";

const expressionMark = Symbol.for("holdfast.expression");
declare const standsFor: unique symbol;

/** An expression in CEL, evaluated by the control plane when the workflow runs. */
export interface Expression<T = never> {
  readonly [standsFor]: T;
  readonly text: string;
}

export interface ExpressionData {
  readonly text: string;
  readonly references: readonly ReferenceData[];
}

/**
 * An expression over references: ``cel`size(${e.output.files}) > 2` ``. References and plain values inside the template
 * become CEL. Numbers are JSON numbers: `x / 2` is exact, only literals and `size()` among themselves divide as integers.
 * State the type of the result when it matters: ``cel<number>`${x} + 1` ``.
 */
export function cel<T = never>(parts: TemplateStringsArray, ...values: readonly unknown[]): Expression<T> {
  const references: ReferenceData[] = [];
  const text = parts.raw
    .map((part, i) => (i === 0 ? part : celOf(values[i - 1], references) + part))
    .join("")
    .trim();
  const data: ExpressionData = { text, references };
  const expression = { text };
  Object.defineProperty(expression, expressionMark, { value: data });
  return Object.freeze(expression) as unknown as Expression<T>;
}

export function expressionData(value: unknown): ExpressionData | undefined {
  if (typeof value !== "object" || value === null || !(expressionMark in value)) return undefined;
  return value[expressionMark] as ExpressionData;
}

function celOf(value: unknown, references: ReferenceData[]): string {
  const reference = referenceData(value);
  if (reference !== undefined) {
    references.push(reference);
    return referenceCel(reference.reference);
  }
  const inner = expressionData(value);
  if (inner !== undefined) {
    references.push(...inner.references);
    return `(${inner.text})`;
  }
  return literalCel(value, references);
}

function literalCel(value: unknown, references: ReferenceData[]): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number" && Number.isFinite(value)) return String(value);
  if (Array.isArray(value)) return `[${value.map((item) => celOf(item, references)).join(", ")}]`;
  if (typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype) {
    const fields = Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${celOf(item, references)}`);
    return `{${fields.join(", ")}}`;
  }
  throw new ReferenceMisuse(
    `A ${typeof value} cannot stand in a cel template.`,
    "Put references, expressions and plain JSON values into the template.",
  );
}

/** A reference as CEL over `params`, `tasks`, `item`. */
function referenceCel(reference: Reference): string {
  const root =
    reference.from === "output"
      ? `tasks${celStep(reference.node)}.output`
      : reference.from === "params"
        ? "params"
        : "item";
  return root + reference.path.map(celStep).join("");
}

function celStep(step: string | number): string {
  if (typeof step === "number") return `[${step}]`;
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(step) && !reserved.has(step) ? `.${step}` : `[${JSON.stringify(step)}]`;
}

const reserved = new Set(
  "as break const continue else false for function if import in let loop namespace null package return true var void while".split(
    " ",
  ),
);
