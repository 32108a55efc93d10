import {
  AppError,
  type Binding,
  canonicalText,
  type Json,
  limits,
  nestsDeeper,
  type Reference,
  type RunError,
  tooDeep,
} from "@holdfast/protocol";
import { ExpressionError, evaluateExpression, parseExpression } from "../expressions.ts";
import { doPart } from "./bounded-work.ts";

/** The values that a workflow's bindings see. Outputs of nodes that did not succeed are null. */
export interface Scope {
  readonly params: Json;
  readonly outputs: ReadonlyMap<string, Json>;
  readonly item?: Json;
}

/**
 * The value of a binding. Missing fields are null. Throws `invalid_input`, naming `place`, when an expression cannot be
 * evaluated. An expression may take for ever: see evaluation/evaluator.ts.
 */
export function evaluateBinding(binding: Binding, scope: Scope, place: string): Json {
  if ("const" in binding) return binding.const;
  if ("ref" in binding) return lookUp(binding.ref, scope);
  if ("cel" in binding) return evaluateCel(binding.cel, scope, place);
  if ("list" in binding) return binding.list.map((item, i) => evaluateBinding(item, scope, `${place}[${i}]`));
  const entries = Object.entries(binding.object);
  return Object.fromEntries(entries.map(([key, value]) => [key, evaluateBinding(value, scope, `${place}.${key}`)]));
}

/**
 * Why a node whose condition has this value is skipped; undefined when it goes on. Throws `invalid_input` when the value is neither true,
 * false nor null: a node that was left out because of a mistake would look like one that was not wanted.
 */
export function judgeCondition(value: Json, place: string): RunError | undefined {
  if (value === true) return undefined;
  if (value === false) return { code: "condition_false", message: "Its condition did not hold." };
  if (value === null) return { code: "condition_false", message: "Its condition gave null, which is not true." };
  const given = JSON.stringify(value);
  const shown = given.length > 100 ? `${given.slice(0, 100)}…` : given;
  throw new AppError("invalid_input", `${place} gave ${shown}, which is neither true nor false.`, {
    hint: "Let it compare: a > b, or x != null.",
  });
}

/** The value of a binding as the input of a run. Throws `invalid_input`, naming `place`, when it is nested too deeply. */
export function boundInput(value: Json, place: string): Json {
  if (!nestsDeeper(value, limits.boundNestingLevels)) return value;
  const { message, hint = "" } = tooDeep(place, limits.boundNestingLevels);
  throw new AppError("invalid_input", message, { hint });
}

/** Whether its value takes more than looking it up. */
export function hasExpression(binding: Binding): boolean {
  if ("cel" in binding) return true;
  if ("list" in binding) return binding.list.some(hasExpression);
  return "object" in binding && Object.values(binding.object).some(hasExpression);
}

/** True for a binding that has its value whatever the scope: nothing needs to be read for it. */
export function isConstant(binding: Binding): boolean {
  if ("const" in binding) return true;
  if ("list" in binding) return binding.list.every(isConstant);
  return "object" in binding && Object.values(binding.object).every(isConstant);
}

/** Names of the nodes whose outputs a binding may read. Expressions name theirs in the node's `upstream`. */
function lookUp(reference: Reference, scope: Scope): Json {
  let value: Json | undefined;
  if (reference.from === "params") value = scope.params;
  else if (reference.from === "item") value = scope.item;
  else value = scope.outputs.get(reference.node);
  for (const part of reference.path) {
    if (value === null || typeof value !== "object") return null;
    if (Array.isArray(value)) value = typeof part === "number" ? value[part] : undefined;
    else value = Object.hasOwn(value, part) ? (value as { readonly [key: string]: Json })[part] : undefined;
  }
  return value ?? null;
}

function evaluateCel(text: string, scope: Scope, place: string): Json {
  const tasks = Object.fromEntries([...scope.outputs].map(([name, output]) => [name, { output }]));
  const shown = text.length > 200 ? `${text.slice(0, 200)}…` : text;
  const hint = "Make its lists shorter or its patterns simpler, or do this work in a task.";
  try {
    return doPart(`the expression \`${shown}\``, hint, () =>
      evaluateExpression(parseExpression(text), { params: scope.params, tasks, item: scope.item ?? null }),
    );
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AppError("invalid_input", `The expression \`${text}\` of ${place} failed: ${reason}`, {
      cause,
      ...(cause instanceof ExpressionError ? { hint: cause.hint } : {}),
    });
  }
}

/** The list that a map is over. Throws `invalid_input` for what is none. */
export function asItems(list: Json, place: string): readonly Json[] {
  if (Array.isArray(list)) return list;
  throw new AppError("invalid_input", `${place} maps over ${describe(list)}, which is not a list.`);
}

/** The identity of an item. Throws `invalid_input` when it is unfit. May take long, as `evaluateBinding`. */
export function identifyItem(itemKey: Binding, scope: Scope & { readonly index: number }, place: string): string {
  const key = evaluateBinding(itemKey, scope, `${place}'s key`);
  const text = typeof key === "object" ? undefined : String(key);
  if (text !== undefined && text !== "" && text.length <= 200) return text;
  throw new AppError("invalid_input", `Item ${scope.index} of ${place} has the key ${describe(key)}.`, {
    hint: "A key is a string, number or boolean of 1 to 200 characters that names the item.",
  });
}

/** Throws `invalid_input` for a key that comes twice. */
export function checkDistinct(keys: readonly string[], place: string): void {
  const seen = new Set<string>();
  for (const key of keys) {
    if (seen.has(key)) {
      throw new AppError("invalid_input", `Two items of ${place} have the key "${key}".`, {
        hint: "Choose a key that is different for every item.",
      });
    }
    seen.add(key);
  }
}

function describe(value: Json): string {
  const text = canonicalText(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
