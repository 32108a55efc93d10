import type { DefinitionSpec, Json, LimitView, Manifest } from "@holdfast/protocol";
import type { Clock } from "../clock.ts";
import type { Limit, RunRow } from "../core/index.ts";
import type { LimitSize, Store } from "../store/store.ts";
import type { Evaluator } from "./evaluation/evaluator.ts";
import { keyLimit, keyPlace, keyPrefix, keyScope, keyText } from "./limit-keys.ts";

// Which limits a run is subject to (core/limits.ts): its map's and its definition's stand in its manifest, its queue's are
// declared in the store, for all nodes alike. That of its key follows from its input: where this is bound when the run starts,
// the run gives its activation back and stands in line then.

/** After so long a look at what is declared for queues is repeated, by the next that asks. */
const freshMs = 2_000;
/** Holders of a limit that are shown, and runs in its line. */
const shownRuns = 100;

export interface ConcurrencyOptions {
  readonly store: Store;
  readonly namespace: string;
  readonly clock: Clock;
  readonly evaluator: Evaluator;
}

export class Concurrency {
  readonly #store: Store;
  readonly #namespace: string;
  readonly #clock: Clock;
  readonly #evaluator: Evaluator;
  #queues: Promise<ReadonlyMap<string, number>> | undefined;
  #lookedMs = 0;

  constructor({ store, namespace, clock, evaluator }: ConcurrencyOptions) {
    this.#evaluator = evaluator;
    this.#store = store;
    this.#namespace = namespace;
    this.#clock = clock;
  }

  /** What a run of this definition is subject to, the narrowest limit first. `map`: the map that it is an item of. */
  async limitsOf(
    spec: DefinitionSpec,
    map?: { readonly runId: string; readonly concurrency: number | undefined },
  ): Promise<Limit[]> {
    const found: Limit[] = [];
    if (map?.concurrency !== undefined)
      found.push({ id: this.#id("map", map.runId), slots: map.concurrency, hold: "run" });
    const own = ofDefinition(this.#namespace, spec);
    if (own !== undefined) found.push({ ...own, hold: "run" });
    if (spec.kind !== "task") return found;
    const slots = (await this.#declaredQueues()).get(this.#id("queue", spec.queue));
    if (slots !== undefined) found.push({ id: this.#id("queue", spec.queue), slots, hold: "activation" });
    return found;
  }

  /** As `limitsOf`, of a root with this input. Throws `invalid_input` for a key that is none. */
  async limitsOfRoot(spec: DefinitionSpec, input: Json): Promise<Limit[]> {
    const own = keyLimit(this.#namespace, spec, await this.#keyOf(spec, input));
    const others = await this.limitsOf(spec);
    return own === undefined ? others : [own, ...others];
  }

  /**
   * What the items of a map are subject to, by the keys that their inputs give (limit-keys.ts). A key whose slot a run above
   * holds asks for none of their own.
   */
  async limitsOfItems(
    spec: DefinitionSpec,
    map: { readonly run: RunRow; readonly concurrency: number | undefined },
  ): Promise<(key: string | undefined) => Limit[]> {
    const { run, concurrency } = map;
    const all = await this.limitsOf(spec, { runId: run.id, concurrency });
    if (spec.concurrencyKey === undefined) return () => all;
    const held = await this.#heldFrom(run);
    return (key) => {
      const own = keyLimit(this.#namespace, spec, key);
      return own === undefined || held.has(own.id) ? all : [own, ...all];
    };
  }

  /**
   * What a run is subject to that the body of another one calls, but for slots that a run above holds until it ends: it would wait
   * for itself. Throws `invalid_input` for a key that is none.
   */
  async limitsOfCalled(spec: DefinitionSpec, caller: RunRow, input: Json): Promise<Limit[]> {
    const limitsOf = await this.limitsOfItems(spec, { run: caller, concurrency: undefined });
    const held = await this.#heldFrom(caller);
    return limitsOf(await this.#keyOf(spec, input)).filter(({ id }) => !held.has(id));
  }

  /**
   * The limits of a claimed run whose input has just been bound, where it has to stand in line for them: its key asks for
   * another slot than it holds. Undefined: it may go on.
   */
  async lineFor(run: RunRow, spec: DefinitionSpec, input: Json): Promise<readonly Limit[] | undefined> {
    const prefix = keyPrefix(run.namespace, spec.id);
    const held = run.limits.find(({ id }) => id.startsWith(prefix));
    const own = keyLimit(run.namespace, spec, await this.#keyOf(spec, input));
    if (own?.id === held?.id) return undefined;
    const others = run.limits.filter((limit) => limit !== held);
    if (own === undefined) return others;
    const isHeldAbove = run.parentId !== null && (await this.#heldFrom(run.parentId)).has(own.id);
    if (!isHeldAbove) return [own, ...others];
    return held === undefined ? undefined : others;
  }

  /** The key of a run with this input; undefined where it has none. Throws `invalid_input` for what is no text or number. */
  async #keyOf(spec: DefinitionSpec, input: Json): Promise<string | undefined> {
    const { concurrencyKey } = spec;
    if (concurrencyKey === undefined) return undefined;
    return keyText(await this.#evaluator.bind(concurrencyKey, keyScope(input), keyPlace(spec)), spec);
  }

  /** Limits whose slots a run and those above it hold until they end: what is below them counts among what they hold. */
  async #heldFrom(from: RunRow | string): Promise<ReadonlySet<string>> {
    const held = new Set<string>();
    for (let at: RunRow | string | null | undefined = from; at !== null && at !== undefined; ) {
      const run: RunRow | undefined = typeof at === "string" ? await this.#store.findRun({ id: at }) : at;
      for (const { id, hold } of run?.limits ?? []) if (hold === "run") held.add(id);
      at = run?.parentId;
    }
    return held;
  }

  /** What is declared of queues and definitions, with who holds it and who stands in line. */
  async list(): Promise<LimitView[]> {
    const declared = await this.#store.listLimits({ prefix: `${this.#namespace}/` });
    const found = await Promise.all(declared.map(({ id }) => this.#store.findLimit({ id, limitRows: shownRuns })));
    return found.flatMap((limit) => {
      if (limit === undefined) return [];
      const { id, slots, holders, standing } = limit;
      return [{ name: id.slice(this.#namespace.length + 1), slots, holders: [...holders], standing: [...standing] }];
    });
  }

  /** Sets how many activations each queue may have at a time; a queue that is not named has no limit any more. */
  async declareQueues(queues: Readonly<Record<string, { readonly concurrency: number }>>): Promise<void> {
    const sizes = Object.entries(queues).map(([name, { concurrency }]) => ({
      id: this.#id("queue", name),
      slots: concurrency,
    }));
    const known = await this.#store.listLimits({ prefix: this.#id("queue", "") });
    const ids = new Set(sizes.map(({ id }) => id));
    const withdrawn = known.filter(({ id }) => !ids.has(id)).map(({ id }) => id);
    await this.#store.declareLimits({ limits: sizes, withdrawn });
    this.#queues = undefined;
  }

  #declaredQueues(): Promise<ReadonlyMap<string, number>> {
    const now = this.#clock.monotonicMs();
    if (this.#queues !== undefined && now - this.#lookedMs < freshMs) return this.#queues;
    const look = this.#store
      .listLimits({ prefix: this.#id("queue", "") })
      .then((rows) => new Map(rows.map(({ id, slots }) => [id, slots] as const)));
    look.catch(() => {
      this.#queues = undefined;
    });
    this.#queues = look;
    this.#lookedMs = now;
    return look;
  }

  #id(kind: "queue" | "map", name: string): string {
    return `${this.#namespace}/${kind}/${name}`;
  }
}

/** What manifests say of their own definition: it holds for runs of earlier ones as well, where those have a limit at all. */
export async function declareDefinitions(
  store: Store,
  namespace: string,
  manifests: readonly Manifest[],
): Promise<void> {
  const specs = manifests.flatMap(({ root, definitions }) => definitions[root] ?? []);
  const limits = specs.flatMap((spec) => ofDefinition(namespace, spec) ?? []);
  const free = new Set(
    specs.filter((spec) => ofDefinition(namespace, spec) === undefined).map(({ id }) => limitId(namespace, id)),
  );
  const known = await store.listLimits({ prefix: limitId(namespace, "") });
  const withdrawn = known.filter(({ id }) => free.has(id)).map(({ id }) => id);
  if (limits.length + withdrawn.length > 0) await store.declareLimits({ limits, withdrawn });
}

/** With a key the number is of each key, not of all together. */
function ofDefinition(namespace: string, { id, concurrency, concurrencyKey }: DefinitionSpec): LimitSize | undefined {
  return concurrency === undefined || concurrencyKey !== undefined
    ? undefined
    : { id: limitId(namespace, id), slots: concurrency };
}

function limitId(namespace: string, definition: string): string {
  return `${namespace}/definition/${definition}`;
}
