import { AppError, type Binding, type Json, limits, type Manifest } from "@holdfast/protocol";
import { boundInput, evaluateBinding, identifyItem, type Scope } from "../bindings.ts";
import { doBounded } from "../bounded-work.ts";
import { evaluateKeys, type Keyed, type LimitKeys } from "../limit-keys.ts";
import { ManifestCheck } from "../manifest-check.ts";
import { type Fit, type FitOptions, type Fitted, type Schema, SchemaCompiler } from "../schema-fit.ts";

// What is evaluated of users' schemas and expressions, as data, so that either the node's own thread or another can do it.

/** Parts that are short share a turn for so long. */
const longestShareMs = 20;

/** Whether a value fits a schema. */
export interface FitJob {
  readonly kind: "fit";
  readonly schema: Schema;
  readonly options: FitOptions;
  readonly value: Json;
}

/** The value of a binding. */
export interface BindJob {
  readonly kind: "bind";
  readonly binding: Binding;
  readonly scope: Scope;
  readonly place: string;
}

/** The identities of a map's items. */
export interface KeysJob {
  readonly kind: "keys";
  readonly itemKey: Binding;
  readonly scope: Scope;
  readonly list: readonly Json[];
  /** The map's name. */
  readonly name: string;
}

/** The inputs of a map's items, whose identities are `keys`. `definition`: whose inputs they are. */
export interface InputsJob {
  readonly kind: "inputs";
  readonly with: Binding;
  readonly scope: Scope;
  readonly list: readonly Json[];
  readonly keys: readonly string[];
  readonly name: string;
  readonly definition: Keyed & { readonly schema?: Schema; readonly options: FitOptions };
}

/** Whether a manifest can be used. */
export interface CheckJob {
  readonly kind: "check";
  readonly manifest: Manifest;
}

export type Job = FitJob | BindJob | KeysJob | InputsJob | CheckJob;

/** An input of a map's item, and how long it is as JSON, in characters. */
export interface MappedInput {
  readonly input: Json;
  readonly characters: number;
  /** The keys of its limits. */
  readonly limitKeys: LimitKeys;
}

/** A job that is being done, part by part: each may take long, and can be cut off and done again. */
export interface Program {
  readonly parts: number;
  /** The result of a part. Parts are done in order. */
  readonly at: (index: number) => unknown;
  /** A part was cut off: forgets what it may have left half done. */
  readonly cutOff: () => void;
}

/**
 * Does the next parts of a program for a share of time, adding to what has been done from `from` on. Throws what a part
 * throws, and `Overrun` when one takes longer than `boundMs`: that is the part behind the last result.
 */
export function doParts(program: Program, done: unknown[], from: number, boundMs: number): void {
  const shareMs = Math.min(longestShareMs, boundMs / 2);
  doBounded(
    () => {
      const startedMs = performance.now();
      while (from + done.length < program.parts) {
        done.push(program.at(from + done.length));
        if (performance.now() - startedMs >= shareMs) break;
      }
    },
    boundMs,
    program.cutOff,
  );
}

/** Makes programs of jobs, and keeps what they have in common. */
export class Programs {
  readonly #fits = new WeakMap<object, Fit>();
  readonly #schemas = new SchemaCompiler();
  readonly #check = new ManifestCheck(this.#schemas);

  /** The program that goes on with a job at a part of it. Throws `invalid_definition`. */
  open(job: Job, from = 0): Program {
    // In the middle of the compilation of a schema, say.
    return { ...this.#parts(job, from), cutOff: () => this.#schemas.renew() };
  }

  #parts(job: Job, from: number): Omit<Program, "cutOff"> {
    switch (job.kind) {
      case "fit":
        return { parts: 1, at: (): Fitted => this.fit(job.schema, job.options).hold(job.value) };
      case "bind":
        return { parts: 1, at: (): Json => evaluateBinding(job.binding, job.scope, job.place) };
      case "keys":
        return {
          parts: job.list.length,
          at: (index): string =>
            identifyItem(job.itemKey, { ...job.scope, item: job.list[index] ?? null, index }, `"${job.name}"`),
        };
      case "inputs":
        return this.#inputs(job, from);
      case "check": {
        const parts = this.#check.parts(job.manifest);
        return { parts: parts.length, at: (index) => parts[index]?.() };
      }
    }
  }

  /** What a schema is, compiled once. Throws `invalid_definition`. */
  fit(schema: Schema, options: FitOptions): Fit {
    let fit = this.#fits.get(schema);
    if (fit === undefined) {
      fit = this.#schemas.compile(schema, options);
      this.#fits.set(schema, fit);
    }
    return fit;
  }

  #inputs({ with: binding, scope, list, keys, name, definition }: InputsJob, from: number): Omit<Program, "cutOff"> {
    const { id, schema, options } = definition;
    let characters = 0;
    let counted = from;
    const at = (index: number): MappedInput => {
      const item = keys[index] ?? "";
      const place = `"${name}[${item}]"'s input`;
      const bound = boundInput(evaluateBinding(binding, { ...scope, item: list[index] ?? null }, place), place);
      const input = schema === undefined ? bound : fittingInput(id, this.fit(schema, options).hold(bound));
      // Once, though it may have been cut off right here.
      const length = JSON.stringify(input).length;
      if (counted === index) characters += length;
      counted = index + 1;
      if (characters > limits.itemInputsPerMapCharacters) throw tooMuchMapped(name, keys.length, item);
      return { input, characters: length, limitKeys: evaluateKeys(definition, input) };
    };
    return { parts: list.length, at };
  }
}

/** The input as a run keeps it. Throws `invalid_input` when it does not fit. */
export function fittingInput(definition: string, fitted: Fitted): Json {
  if ("value" in fitted) return fitted.value;
  throw new AppError("invalid_input", `The input of "${definition}" does not fit: ${fitted.problem}.`, {
    hint: `holdfast manifest ${definition} shows what it takes.`,
  });
}

/** The refusal of a map whose items' inputs are too long together. */
export function tooMuchMapped(name: string, items: number, upTo: string): AppError {
  const allowed = limits.itemInputsPerMapCharacters;
  return new AppError(
    "limit_exceeded",
    `The inputs of the ${items} items of "${name}" are longer than ${allowed} characters together, at "${upTo}" already.`,
    { hint: "Hand items the names of their data, not the data: keep it in a file or an object store." },
  );
}
