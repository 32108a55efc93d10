import {
  type ChannelStateOp,
  type ChannelStateScope,
  durationMs,
  isAppError,
  type Json,
  limits,
  type StateOpResult,
  type StateView,
  stateVersionKey,
} from "@holdfast/protocol";
import type { DeleteOptions, SetOptions, StateChange, StateDeclaration, StateHandle, StepName } from "./state.ts";
import { writeName } from "./state-keys.ts";
import { migrated } from "./state-migration.ts";
import { StateSchema } from "./state-schema.ts";
import type { StateSteps, Write } from "./state-steps.ts";

// The handles of state that a body has.

interface Held {
  /** The first is what was asked for; what follows goes with it. */
  readonly ops: readonly [ChannelStateOp, ...ChannelStateOp[]];
  readonly scope: ScopeState;
}

const changes = new WeakMap<object, Held>();
const updateTries = 100;
const longestPauseMs = 250;

/** The handle of a scope. `what`: how messages name it. */
export function stateHandle(
  steps: StateSteps,
  { what, scope, declared }: { what: string; scope: ChannelStateScope; declared?: StateDeclaration | undefined },
): StateHandle {
  return new ScopeState(steps, scope, new StateSchema(what, declared)).handle();
}

/** A scope of state as a body has it: what its handle is made of. */
export class ScopeState {
  readonly #steps: StateSteps;
  readonly #scope: ChannelStateScope;
  readonly #schema: StateSchema;
  #ready: Promise<void> | undefined;

  constructor(steps: StateSteps, scope: ChannelStateScope, schema: StateSchema) {
    this.#steps = steps;
    this.#scope = scope;
    this.#schema = schema;
  }

  /** Resolves once the values are of the version that the task declares. */
  ready(): Promise<void> {
    const { versioned } = this.#schema;
    if (versioned === undefined) return Promise.resolve();
    this.#ready ??= migrated(versioned, {
      steps: this.#steps,
      scope: this.#scope,
      name: this.name,
      schema: this.#schema,
    });
    this.#ready.catch(() => {
      this.#ready = undefined;
    });
    return this.#ready;
  }

  /** As it stands in the names of steps. */
  get name(): string {
    return "id" in this.#scope ? `${this.#scope.kind}:${this.#scope.id}` : this.#scope.kind;
  }

  handle(): StateHandle {
    const op = this.#changes();
    const handle = {
      get: async (key: string) => (await this.#read(key))?.value,
      entry: (key: string) => this.#read(key),
      list: ({ prefix }: { prefix?: string } = {}) =>
        this.#steps.during(undefined, async () => {
          await this.ready();
          const all = await this.#steps.list(this.#scope, prefix);
          return all.filter(({ key }) => key !== stateVersionKey);
        }),
      set: async (key: string, value: unknown, options: SetOptions & StepName = {}) =>
        (await this.one(op.set(key, value, options), options)).version,
      delete: async (key: string, options: DeleteOptions & StepName = {}) => {
        await this.one(op.delete(key, options), options);
      },
      clear: async (options: { prefix?: string } & StepName = {}) =>
        (await this.one(op.clear(options), options)).cleared ?? 0,
      increment: async (key: string, by = 1, options: StepName = {}) =>
        Number((await this.one(op.increment(key, by), options)).value),
      append: async (key: string, item: unknown, options: StepName = {}) =>
        (await this.one(op.append(key, item), options)).length ?? 0,
      setIfMax: async (key: string, value: unknown, options: StepName = {}) =>
        (await this.one(op.setIfMax(key, value), options)).changed === true,
      update: (key: string, fn: Update, options: StepName & SetOptions = {}) => this.#update(key, fn, options),
      op,
      transact: (list: readonly StateChange[], options: StepName = {}) => this.transact(list, options),
    };
    return handle as unknown as StateHandle;
  }

  async #read(key: string): Promise<StateView | undefined> {
    const checked = this.#schema.key(key);
    return this.#steps.during(undefined, async () => {
      await this.ready();
      return this.#steps.read(this.#scope, checked);
    });
  }

  async transact(list: readonly StateChange[], options: StepName): Promise<(StateOpResult | undefined)[]> {
    const { firsts, ...write } = joined(list, options.as);
    const results = await this.#steps.write(write);
    return firsts.map((first) => results[first]);
  }

  /** A change that `transact` takes. */
  change(op: ChannelStateOp, ...more: ChannelStateOp[]): StateChange {
    const change = Object.freeze({});
    changes.set(change, { ops: [op, ...more], scope: this });
    return change as StateChange;
  }

  #changes() {
    const made = (op: ChannelStateOp, ...more: ChannelStateOp[]) => this.change(op, ...more);
    const scope = this.#scope;
    const schema = this.#schema;
    return {
      set: (key: string, value: unknown, options: SetOptions = {}) => {
        const set = { op: "set", scope, key: schema.key(key), value: schema.value(key, value) } as const;
        return made({ ...set, ...versionOf(options.ifVersion), ...retentionOf(options.retention) });
      },
      delete: (key: string, options: DeleteOptions = {}) =>
        made({ op: "delete", scope, key: schema.key(key), ...versionOf(options.ifVersion) }),
      clear: ({ prefix }: { prefix?: string } = {}) => {
        const clear = { op: "clear", scope, ...(prefix === undefined ? {} : { prefix: prefixOf(prefix) }) } as const;
        const { versioned } = schema;
        if (versioned === undefined || !stateVersionKey.startsWith(prefix ?? "")) return made(clear);
        // What is written from now on is still of this version.
        return made(clear, { op: "set", scope, key: stateVersionKey, value: versioned.version });
      },
      increment: (key: string, by = 1) => {
        if (typeof by === "number" && Number.isFinite(by))
          return made({ op: "increment", scope, key: schema.key(key), by });
        throw new TypeError(`What ${JSON.stringify(key)} is incremented by is ${String(by)}, which is no number.`);
      },
      append: (key: string, item: unknown) => {
        const [value = null] = schema.value(schema.key(key), [
          item === undefined ? refuseUndefined(key) : item,
        ]) as Json[];
        return made({ op: "append", scope, key, value });
      },
      setIfMax: (key: string, given: unknown) => {
        const value = schema.value(schema.key(key), given);
        if (typeof value === "number" || typeof value === "string") return made({ op: "setIfMax", scope, key, value });
        throw new TypeError(`What ${JSON.stringify(key)} is set to where it is greater is no number and no text.`);
      },
    };
  }

  /** Makes one change, as a step. */
  async one(change: StateChange, { as }: StepName): Promise<StateOpResult> {
    const { ops } = heldBy(change);
    const [op] = ops;
    const name = writeName(op.op, this.name, ("key" in op ? op.key : undefined) ?? "", absolute(ops));
    const [result] = await this.#steps.write({ name, as, ops, scopes: [this] });
    if (result === undefined) throw new Error("A change has no result.");
    return result;
  }

  async #update(key: string, fn: Update, options: StepName & SetOptions): Promise<Json> {
    const name = writeName("update", this.name, this.#schema.key(key));
    const step = this.#steps.key(name, options.as);
    const known = this.#steps.known(step);
    if (known !== undefined) return known.value ?? null;
    return this.#steps.during(step, async () => {
      await this.ready();
      for (let tries = 1; ; tries++) {
        const before = await this.#steps.read(this.#scope, key);
        const value = this.#schema.value(key, await fn(before?.value));
        const op = { op: "set", scope: this.#scope, key, value, ifVersion: before?.version ?? 0 } as const;
        try {
          return (await this.#steps.commit(step, [{ ...op, ...retentionOf(options.retention) }], value)).value ?? null;
        } catch (error) {
          if (!isAppError(error, "state_conflict") || tries === updateTries) throw error;
        }
        await pause(Math.random() * Math.min(2 ** tries, longestPauseMs));
      }
    });
  }
}

type Update = (value: Json | undefined) => unknown;

function heldBy(change: unknown) {
  const held = typeof change === "object" && change !== null ? changes.get(change) : undefined;
  if (held !== undefined) return held;
  throw new TypeError("transact takes a list of changes: [ctx.state.op.set(…), ctx.taskState.op.increment(…)].");
}

interface Joined extends Write {
  /** Where in `ops` each change begins. */
  readonly firsts: readonly number[];
}

function joined(list: readonly StateChange[], as: string | undefined): Joined {
  const held = Array.isArray(list) ? list.map(heldBy) : [];
  const ops = held.flatMap((change) => change.ops);
  if (ops.length === 0 || ops.length > limits.stateOpsPerTransaction) {
    throw new TypeError(`transact takes a list of 1 to ${limits.stateOpsPerTransaction} changes.`);
  }
  const places = [...new Set(held.map(({ scope }) => scope.name))];
  const names = ops.map((op) => ("key" in op ? op.key : undefined) ?? "").join(",");
  const name = writeName("transact", places.join("+"), names, absolute(ops));
  const firsts = held.map((_, index) => held.slice(0, index).reduce((sum, change) => sum + change.ops.length, 0));
  return { name, as, ops, firsts, scopes: [...new Set(held.map(({ scope }) => scope))] };
}

/** What distinguishes changes that say by themselves what is to be there; undefined where one does not. */
function absolute(ops: readonly ChannelStateOp[]): unknown {
  return ops.some((op) => op.op === "increment" || op.op === "append" || (op.op === "emit" && op.key === undefined))
    ? undefined
    : ops;
}

function versionOf(ifVersion: number | undefined): { ifVersion?: number } {
  if (ifVersion === undefined) return {};
  if (Number.isSafeInteger(ifVersion) && ifVersion >= 0) return { ifVersion };
  throw new TypeError(`ifVersion is ${String(ifVersion)}, which is no version: a whole number, 0 for "none".`);
}

function retentionOf(retention: SetOptions["retention"]): { retentionMs?: number | null } {
  if (retention === undefined) return {};
  if (retention === 0 || retention === "never") return { retentionMs: null };
  const ms = typeof retention === "string" ? durationMs(retention) : undefined;
  if (ms !== undefined && ms > 0) return { retentionMs: ms };
  throw new RangeError(
    `${JSON.stringify(retention)} is no retention: write "30m", "7d" (ten years at most) or "never".`,
  );
}

function prefixOf(prefix: unknown): string {
  if (typeof prefix === "string" && prefix.length <= limits.keyCharacters) return prefix;
  throw new TypeError(`A prefix is a text of at most ${limits.keyCharacters} characters.`);
}

function refuseUndefined(key: string): never {
  throw new TypeError(`What is appended to ${JSON.stringify(key)} is undefined, which JSON cannot keep.`);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
