import { type Json, limits, nameHint, textDefect } from "@holdfast/protocol";
import { Environment } from "@marcbachmann/cel-js";

// Expressions in CEL over `params`, `tasks.NODE.output` and `item`. Numbers of JSON are doubles here, and arithmetic
// between them and integer literals gives doubles: `x.n + 1`, `x.n / 2` and `x.n % 2` mean what they look like, whatever
// the value. Integers are only what an expression makes of literals, size() and int(); among themselves they divide as such.

/** What an expression can see. A node's output is under its name; skipped nodes' outputs are null. */
export interface ExpressionScope {
  readonly params: Json;
  readonly tasks: Readonly<Record<string, { readonly output: Json }>>;
  readonly item?: Json;
}

export interface ParsedExpression {
  readonly text: string;
  /** Names of the nodes whose output it uses, sorted. */
  readonly tasks: readonly string[];
  readonly usesItem: boolean;
  /** True where it can give neither true nor false, whatever it reads. */
  readonly isNoCondition: boolean;
  readonly program: (scope: Record<string, unknown>) => unknown;
}

/** An expression that cannot be parsed or evaluated. `offset` counts UTF-16 units from 0. */
export class ExpressionError extends Error {
  override readonly name = "ExpressionError";
  readonly offset: number | undefined;
  readonly hint: string;

  constructor(message: string, hint: string, offset?: number) {
    super(message);
    this.hint = hint;
    this.offset = offset;
  }
}

const names = ["params", "tasks", "item"];
const environment = makeEnvironment();
const functions: ReadonlySet<string> = new Set(environment.getDefinitions().functions.map(({ name }) => name));

function makeEnvironment(): Environment {
  const env = new Environment({ homogeneousAggregateLiterals: false });
  for (const name of names) env.registerVariable(name, "dyn");
  const operations: Readonly<Record<string, (a: number, b: number) => number>> = {
    "+": (a, b) => a + b,
    "-": (a, b) => a - b,
    "*": (a, b) => a * b,
    "/": (a, b) => a / b,
    "%": (a, b) => a % b,
  };
  for (const [sign, operation] of Object.entries(operations)) {
    const apply = (a: bigint | number, b: bigint | number): number => operation(Number(a), Number(b));
    env.registerOperator(`int ${sign} double: double`, apply);
    env.registerOperator(`double ${sign} int: double`, apply);
  }
  env.registerOperator("double % double: double", (a: number, b: number) => a % b);
  return env;
}

// A map evaluates the same expression for each of its items.
const remembered = new Map<string, ParsedExpression>();
const rememberedExpressions = 1_000;

/** Parses and checks an expression. Throws ExpressionError with the place and a remedy. */
export function parseExpression(text: string): ParsedExpression {
  const known = remembered.get(text);
  if (known !== undefined) return known;
  const parsed = parse(text);
  if (remembered.size >= rememberedExpressions) remembered.clear();
  remembered.set(text, parsed);
  return parsed;
}

function parse(text: string): ParsedExpression {
  try {
    const program = environment.parse(text);
    const checked = program.check();
    if (!checked.valid) throw checked.error ?? new Error("it is not valid");
    const uses = new Uses();
    uses.walk(program.ast);
    boundGrowth(program.ast);
    return {
      text,
      tasks: [...uses.tasks].sort(),
      usesItem: uses.item,
      isNoCondition: isNoCondition(program.ast, checked.type),
      program,
    };
  } catch (error) {
    throw explained(error, text);
  }
}

/** Arithmetic of what is known only when it runs has no type, but is arithmetic. */
function isNoCondition({ op }: { readonly op: string }, type: string | undefined): boolean {
  return ["+", "-", "*", "/", "%"].includes(op) || (type !== undefined && type !== "bool" && type !== "dyn");
}

/** The value of an expression, as JSON. Throws ExpressionError when it has none. */
export function evaluateExpression(parsed: ParsedExpression, scope: ExpressionScope): Json {
  try {
    const value = parsed.program({ params: scope.params, tasks: scope.tasks, item: scope.item ?? null });
    return new JsonMaker().make(value, 0);
  } catch (error) {
    throw explained(error, parsed.text);
  }
}

/** Collects what a syntax tree names. */
class Uses {
  readonly tasks = new Set<string>();
  item = false;

  walk(node: unknown): void {
    if (Array.isArray(node)) for (const part of node) this.walk(part);
    if (!isNode(node)) return;
    if (node.op === "id") {
      if (node.args === "item") this.item = true;
      if (node.args === "tasks") throw needsName(node.start);
      return;
    }
    const task = taskOutput(node);
    if (task !== undefined) this.tasks.add(task);
    else this.walk(node.args);
  }
}

type Evaluate = (evaluator: unknown, node: unknown, context: unknown) => unknown;

interface Node {
  readonly op: string;
  readonly args: unknown;
  readonly start?: number;
  readonly meta?: { readonly evaluate?: Evaluate };
  readonly setMeta?: (name: "evaluate", value: Evaluate) => unknown;
}

const growing = new Set(["+", "call", "rcall"]);

/**
 * No text or list on the way to a value is longer than the largest value that is kept. A few names for twice the one before
 * would make a list that no process can hold, and V8 ends the process then.
 */
function boundGrowth(node: unknown): void {
  if (Array.isArray(node)) for (const part of node) boundGrowth(part);
  if (!isNode(node)) return;
  const evaluate = node.meta?.evaluate;
  if (growing.has(node.op) && evaluate !== undefined) {
    node.setMeta?.("evaluate", (evaluator, self, context) => {
      const value = evaluate(evaluator, self, context);
      const length = typeof value === "string" || Array.isArray(value) ? value.length : 0;
      if (length > limits.collectedOutputBytes) throw tooLarge();
      return value;
    });
  }
  boundGrowth(node.args);
}

function tooLarge(): ExpressionError {
  const message = `a text or list in it is larger than ${limits.collectedOutputBytes} bytes`;
  return new ExpressionError(message, "Keep large data in files, and work on it in a task.");
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && !Array.isArray(value) && "op" in value && "args" in value;
}

/** The node's name in `tasks.NAME.output` and `tasks["NAME"].output`. */
function taskOutput(node: Node): string | undefined {
  const [inner, field] = node.op === "." && Array.isArray(node.args) ? (node.args as unknown[]) : [];
  if (!isNode(inner) || !Array.isArray(inner.args)) return undefined;
  const [root, name] = inner.args as unknown[];
  if (!isNode(root) || root.op !== "id" || root.args !== "tasks") return undefined;
  const text = isNode(name) && name.op === "value" ? name.args : name;
  if (typeof text !== "string") throw needsName(node.start);
  if (field === "output") return text;
  const hint = `Write tasks.${text}.output.`;
  throw new ExpressionError(`tasks.${text} has no "${String(field)}"`, hint, node.start);
}

function needsName(offset: number | undefined): ExpressionError {
  const hint = 'Write tasks.NAME.output, or tasks["NAME"].output when the name has other characters.';
  return new ExpressionError("tasks must be followed by the name of a node", hint, offset);
}

function explained(error: unknown, text: string): ExpressionError {
  if (error instanceof ExpressionError) return error;
  const message = (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
  const offset = offsetOf(error);
  const place = offset === undefined ? "" : ` at character ${offset + 1} of ${JSON.stringify(text)}`;
  return new ExpressionError(message + place, hintFor(message), offset);
}

function offsetOf(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null || !("range" in error)) return undefined;
  const { range } = error;
  if (typeof range !== "object" || range === null || !("start" in range)) return undefined;
  return typeof range.start === "number" ? range.start : undefined;
}

function hintFor(message: string): string {
  if (message.startsWith("No such key")) return "Ask with has(…) first when a field may be missing.";
  if (message.startsWith("Unknown variable")) return `An expression sees ${names.join(", ")}.`;
  const called = /overload for '(?:[^'(]*\.)?([^'(.]+)\(/.exec(message)?.[1];
  if (called !== undefined && !functions.has(called)) {
    return `There is no function "${called}". ${nameHint(called, [...functions])}`;
  }
  if (message.includes("overload")) return "Convert with string(…), double(…) or int(…), or use another function.";
  return "Expressions are CEL: see https://cel.dev for the language.";
}

const beyond = "Make it a string, a number, a boolean, null, a list or an object.";

/** Makes JSON of a value. The value may have a part in it many times, so that it is far larger than what it is made of. */
class JsonMaker {
  #leftBytes: number = limits.collectedOutputBytes;

  make(value: unknown, depth: number): Json {
    if (depth > limits.boundNestingLevels)
      throw new ExpressionError(`the value is nested more than ${limits.boundNestingLevels} deep`, beyond);
    this.#leftBytes -= typeof value === "string" ? value.length + 1 : 1;
    if (this.#leftBytes < 0) throw tooLarge();
    if (typeof value === "string") return storable(value, "a text");
    if (value === null || typeof value === "boolean") return value;
    if (typeof value === "bigint") return fromInteger(value);
    if (typeof value === "number") {
      if (Number.isFinite(value)) return value;
      throw new ExpressionError(`the value is ${value}, which JSON cannot say`, "Guard the division.");
    }
    if (Array.isArray(value)) return value.map((item) => this.make(item, depth + 1));
    if (value instanceof Date) return value.toISOString();
    if (value instanceof Map) return this.#fields(value.entries(), depth);
    if (
      typeof value === "object" &&
      (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null)
    ) {
      return this.#fields(Object.entries(value), depth);
    }
    throw new ExpressionError("the value is no JSON", beyond);
  }

  #fields(entries: Iterable<[unknown, unknown]>, depth: number): Json {
    const fields: Record<string, Json> = {};
    for (const [name, item] of entries) {
      Object.defineProperty(fields, storable(String(name), "a field's name"), {
        value: this.make(item, depth + 1),
        enumerable: true,
        configurable: true,
      });
    }
    return fields;
  }
}

/** A literal may say by an escape what comes in no text that was taken in. */
function storable(text: string, what: string): string {
  const defect = textDefect(text);
  if (defect === undefined) return text;
  throw new ExpressionError(`${what} in its value has a ${defect}, which cannot be stored`, "Leave the character out.");
}

function fromInteger(value: bigint): number {
  if (Number.isSafeInteger(Number(value))) return Number(value);
  throw new ExpressionError(`the value ${value} is too large for a JSON number`, "Make it a string with string(…).");
}
