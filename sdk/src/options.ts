import { defaultRetry, durationMs, environmentSchema, limits, nameHint, type RetryPolicy } from "@holdfast/protocol";
import { ProblemList } from "./problem-list.ts";
import type { Position } from "./source-position.ts";

const idPattern = /^[A-Za-z0-9_][A-Za-z0-9_.\-/]*$/;

/** Reads one options object of the user's: everything wrong in it becomes a problem that names it. */
export class OptionReader {
  readonly problems = new ProblemList();
  readonly #options: Readonly<Record<string, unknown>>;
  /** Begins every message: `task "extract"`. */
  readonly what: string;
  /** Where its problems are told. */
  readonly at: Position | undefined;

  constructor(options: unknown, what: string, at: Position | undefined) {
    this.what = what;
    this.at = at;
    if (typeof options === "object" && options !== null) this.#options = options as Record<string, unknown>;
    else {
      this.#options = {};
      this.add(`its options are ${show(options)}`, 'Pass an object: { id: "name", … }.');
    }
  }

  add(wrong: string, hint: string): void {
    this.problems.add(this.at, `${this.what}: ${wrong}.`, hint);
  }

  value(name: string): unknown {
    return this.#options[name];
  }

  /** Every property outside `known` is a problem; `later` names what Holdfast will have but has not yet. */
  onlyKnown(known: readonly string[], later: readonly string[] = []): void {
    for (const name of Object.keys(this.#options)) {
      if (known.includes(name)) continue;
      if (later.includes(name))
        this.add(`"${name}" is not supported yet`, "Remove it: this version would not do what it asks.");
      else this.add(`unknown option "${name}"`, nameHint(name, known));
    }
  }

  text(name: string): string | undefined {
    const value = this.#options[name];
    if (value === undefined || typeof value === "string") return value;
    this.add(`"${name}" is ${show(value)}`, "It must be a string.");
    return undefined;
  }

  id(name: string): string | undefined {
    const value = this.text(name);
    if (value !== undefined) this.checkId(name, value);
    return value;
  }

  checkId(name: string, value: string): void {
    if (value.length > limits.idCharacters) {
      this.add(`"${name}" has ${value.length} characters`, `At most ${limits.idCharacters} are allowed.`);
    } else if (!idPattern.test(value) || value === "__proto__") {
      // Objects by id would take that one for their prototype.
      this.add(`"${name}" is ${show(value)}`, 'Use letters and digits, and _ . - / inside, as in "sales/load-day".');
    }
  }

  /** Milliseconds; none at all only where `mayBeZero`. */
  duration(name: string, { mayBeZero = false } = {}): number | undefined {
    const value = this.#options[name];
    if (value === undefined) return undefined;
    const ms = typeof value === "string" ? durationMs(value) : undefined;
    if (ms === undefined || (ms === 0 && !mayBeZero)) {
      const longer = ms === 0 ? "It has to be longer than nothing, or to be left out. " : "";
      this.add(`"${name}" is ${show(value)}`, `${longer}Write a duration such as "250ms", "10s", "5m", "3h" or "7d".`);
      return undefined;
    }
    return ms;
  }

  number(
    name: string,
    range: { readonly min: number; readonly max: number; readonly integer: boolean },
  ): number | undefined {
    const value = this.#options[name];
    if (value === undefined) return undefined;
    const fits =
      typeof value === "number" &&
      value >= range.min &&
      value <= range.max &&
      (!range.integer || Number.isInteger(value));
    if (fits) return value;
    const kind = range.integer ? "a whole number" : "a number";
    this.add(`"${name}" is ${show(value)}`, `It must be ${kind} from ${range.min} to ${range.max}.`);
    return undefined;
  }

  /** How many at a time. */
  concurrency(): number | undefined {
    return this.number("concurrency", { min: 1, max: limits.slots, integer: true });
  }

  oneOf<T extends string>(name: string, allowed: readonly T[]): T | undefined {
    const value = this.#options[name];
    if (value === undefined) return undefined;
    const found = allowed.find((item) => item === value);
    if (found === undefined) this.add(`"${name}" is ${show(value)}`, nameHint(String(value), allowed));
    return found;
  }

  /** Names and values of variables; undefined when there are none. */
  environment(name: string): Record<string, string> | undefined {
    const value = this.#options[name];
    if (value === undefined) return undefined;
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      this.add(`"${name}" is ${show(value)}`, 'Write names and texts: { TZ: "UTC" }.');
      return undefined;
    }
    for (const { path } of environmentSchema.safeParse(value).error?.issues ?? []) {
      const variable = String(path[0] ?? "");
      const what = isText((value as Readonly<Record<string, unknown>>)[variable]) ? "" : ", whose value is no text";
      const hint =
        "Use letters, digits and _, and texts; names that begin with HOLDFAST_ or ORK_ are the runner's own.";
      this.add(`"${name}" cannot have "${variable}"${what}`, hint);
    }
    if (this.#options.placement === "inline") {
      const hint = 'Leave "env" out, or let it run in a process of its own: placement: "process".';
      this.add(`"${name}" needs a process, but the task is placed inline`, hint);
    }
    return Object.keys(value).length === 0 ? undefined : (value as Record<string, string>);
  }

  memoryBytes(name: string): number | undefined {
    const value = this.#options[name];
    if (value === undefined) return undefined;
    const match = typeof value === "string" ? /^(\d+(?:\.\d+)?)\s*(mb|gb)$/i.exec(value) : null;
    const bytes =
      match === null ? 0 : Math.round(Number(match[1]) * (match[2]?.toLowerCase() === "gb" ? 1024 ** 3 : 1024 ** 2));
    if (bytes > 0) return bytes;
    this.add(`"${name}" is ${show(value)}`, 'Write a size such as "512mb" or "2gb".');
    return undefined;
  }

  /** The whole policy, defaults filled in; undefined when the option is absent. */
  retry(name = "retry"): RetryPolicy | undefined {
    const value = this.#options[name];
    if (value === undefined) return undefined;
    if (typeof value !== "object" || value === null) {
      this.add(`"${name}" is ${show(value)}`, "Write an object: { attempts: 5 }.");
      return undefined;
    }
    const inner = new OptionReader(value, `${this.what}: ${name}`, this.at);
    inner.onlyKnown(["attempts", "delay", "factor", "maxDelay", "jitter"]);
    const delayMs = inner.duration("delay", { mayBeZero: true }) ?? defaultRetry.delayMs;
    const policy = {
      attempts: inner.number("attempts", { min: 1, max: limits.attempts, integer: true }) ?? defaultRetry.attempts,
      delayMs,
      factor: inner.number("factor", { min: 1, max: 100, integer: false }) ?? defaultRetry.factor,
      maxDelayMs: inner.duration("maxDelay", { mayBeZero: true }) ?? Math.max(defaultRetry.maxDelayMs, delayMs),
      jitter: inner.number("jitter", { min: 0, max: 1, integer: false }) ?? defaultRetry.jitter,
    };
    this.problems.found.push(...inner.problems.found);
    return policy;
  }
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}

/** A value as it may stand in a message. */
export function show(value: unknown): string {
  if (typeof value === "function") return "a function";
  // JSON would call NaN null.
  const isPlain = typeof value === "bigint" || typeof value === "symbol" || typeof value === "number";
  if (isPlain || value === undefined) return String(value);
  try {
    const text = JSON.stringify(value) ?? typeof value;
    return text.length > 80 ? `${text.slice(0, 77)}…` : text;
  } catch {
    return `a ${typeof value} that JSON cannot say`;
  }
}
