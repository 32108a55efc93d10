import { AppError, type Json, type StateOp, type StateScope, type TaskSpec } from "@holdfast/protocol";
import type { Store } from "../store/store.ts";
import type { Definitions } from "./definitions.ts";
import type { Schema } from "./schema-fit.ts";
import { type ReadValue, StateForecast } from "./state-forecast.ts";

interface Declared {
  readonly task: string;
  readonly schema: Schema;
}

/** Schemas live as long as their manifest: each is made once, so that it is compiled once, and known again where it is slow. */
const oneKeySchemas = new WeakMap<Schema, Schema>();

/** Of the whole, only the key that is written is looked at. */
function oneKeySchema(whole: Schema): Schema {
  const known = oneKeySchemas.get(whole) ?? ({ ...whole, required: [] } as Schema);
  oneKeySchemas.set(whole, known);
  return known;
}

/** Holds what people write against what the task declares of its state, as its manifest says it. Bodies have checked it themselves. */
export class StateFit {
  readonly #store: Store;
  readonly #definitions: Definitions;
  readonly #namespace: string;

  constructor(parts: { store: Store; definitions: Definitions; namespace: string }) {
    const { store, definitions, namespace } = parts;
    this.#store = store;
    this.#definitions = definitions;
    this.#namespace = namespace;
  }

  /**
   * Throws `invalid_input` for a key that there cannot be, and for a value that would not fit: what is set, the sum that an increment
   * makes, the list that is appended to. Nothing where nothing is declared.
   */
  async check(ops: readonly StateOp[], read: ReadValue): Promise<void> {
    const forecast = new StateForecast(read);
    const declared = new Map<string, Declared | undefined>();
    for (const op of ops) {
      const { kind, id } = op.scope;
      if ((kind !== "run" && kind !== "task") || op.op === "emit" || op.op === "advance") continue;
      if (op.op === "clear") forecast.clear(op);
      if (op.op === "clear" || op.key.startsWith("holdfast.")) continue;
      const scope = `${kind} ${id}`;
      if (!declared.has(scope)) declared.set(scope, await this.#declared(op.scope));
      const of = declared.get(scope);
      if (of === undefined) continue;
      const value = await forecast.after(op, { kind, id });
      if (value !== undefined) await this.#checkOne(scope, of, op.key, value);
    }
  }

  async #declared(scope: StateScope): Promise<Declared | undefined> {
    const spec = await this.#specOf(scope);
    const schema = (scope.kind === "run" ? spec?.state : spec?.taskState)?.schema;
    if (spec === undefined || typeof schema !== "object" || schema === null || Array.isArray(schema)) return undefined;
    return { task: spec.id, schema: oneKeySchema(schema as Schema) };
  }

  async #checkOne(scope: string, { task, schema }: Declared, key: string, value: Json): Promise<void> {
    const options = { what: `schema of the state of "${task}"`, useDefaults: false };
    const bounded = { what: `Checking the state of "${task}"`, code: "invalid_input", mayRefuse: true } as const;
    const fitted = await this.#definitions.evaluator.fit({ [key]: value }, schema, options, bounded);
    if ("value" in fitted) return;
    throw new AppError("invalid_input", `The value does not fit the state of ${scope}: ${fitted.problem}.`, {
      hint: `holdfast manifest ${task} shows what it declares.`,
      details: { key },
    });
  }

  async #specOf({ kind, id }: Pick<StateScope, "kind" | "id">): Promise<TaskSpec | undefined> {
    const named = kind === "run" ? await this.#ofRun(id) : await this.#ofTask(id);
    if (named === undefined) return undefined;
    const spec = await this.#definitions.findSpec(named.manifestHash, named.id);
    return spec?.kind === "task" ? spec : undefined;
  }

  async #ofRun(id: string): Promise<{ manifestHash: string; id: string } | undefined> {
    const run = await this.#store.findRun({ id });
    return run === undefined ? undefined : { manifestHash: run.manifestHash, id: run.definition };
  }

  /** As it was applied, else as the last run of a workflow's own task has it. */
  async #ofTask(id: string): Promise<{ manifestHash: string; id: string } | undefined> {
    const of = { namespace: this.#namespace };
    const known = await this.#store.findDefinition({ ...of, id });
    if (known !== undefined) return { manifestHash: known.manifestHash, id };
    const { runs } = await this.#store.listRuns({ ...of, definition: id, rootsOnly: false, limitRows: 1 });
    const [last] = runs;
    return last === undefined ? undefined : { manifestHash: last.manifestHash, id };
  }
}
