import type { DefinitionSpec, Json, LimitView, Manifest } from "@holdfast/protocol";
import type { Clock } from "../clock.ts";
import type { Limit, RunRow } from "../core/index.ts";
import type { LimitSize, Store } from "../store/store.ts";
import type { Evaluator } from "./evaluation/evaluator.ts";
import {
  inOrder,
  isByKey,
  keyOf,
  keyReadings,
  keyScope,
  type LimitKeys,
  leftBelow,
  limitsByKey,
  startsOf,
} from "./limit-keys.ts";

// Which limits a run is subject to (core/limits.ts): its map's and its definition's stand in its manifest, its queue's are
// declared in the store, for all nodes alike. That of its key follows from its input: where this is bound when the run starts,
// the run gives its activation back and stands in line then.

/** After so long a look at what is declared for queues is repeated, by the next that asks. */
const freshMs = 2_000;
/** Holders of a limit that are shown, and runs in its line. */
const shownRuns = 100;

/** What is said of a queue, over all nodes. */
export interface QueueLimits {
  readonly concurrency?: number;
  readonly rate?: { readonly limit: number; readonly perMs: number };
}

export interface ConcurrencyOptions {
  readonly store: Store;
  readonly namespace: string;
  readonly clock: Clock;
  readonly evaluator: Evaluator;
  /** What a point of priority is worth of waiting; absent: core's `defaultAgeingMs`. */
  readonly ageingMs?: number | undefined;
}

export class Concurrency {
  readonly #store: Store;
  readonly #namespace: string;
  readonly #clock: Clock;
  readonly #evaluator: Evaluator;
  #queues: Promise<ReadonlyMap<string, LimitSize>> | undefined;
  #lookedMs = 0;

  /** How the runs that are made here grow older in line. */
  readonly ageing: { readonly ageingMs?: number };

  constructor({ store, namespace, clock, evaluator, ageingMs }: ConcurrencyOptions) {
    this.ageing = ageingMs === undefined ? {} : { ageingMs };
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
    for (const own of ofDefinition(this.#namespace, spec))
      found.push({ ...own, hold: own.perMs === undefined ? "run" : startsOf(spec) });
    if (spec.kind !== "task") return found;
    const declared = await this.#declaredQueues();
    for (const kind of ["queue", "queue-rate"] as const) {
      const size = declared.get(this.#id(kind, spec.queue));
      if (size !== undefined) found.push({ ...size, hold: "activation" });
    }
    return found;
  }

  /** As `limitsOf`, of a root with this input. Throws `invalid_input` for a key that is none. */
  async limitsOfRoot(spec: DefinitionSpec, input: Json): Promise<Limit[]> {
    const own = limitsByKey(this.#keyed, spec, await this.#keysOf(spec, input));
    return inOrder([...own, ...(await this.limitsOf(spec))]);
  }

  /**
   * What the items of a map are subject to, by the keys that their inputs give (limit-keys.ts). A key whose slot a run above
   * holds asks for none of their own.
   */
  async limitsOfItems(
    spec: DefinitionSpec,
    map: { readonly run: RunRow; readonly concurrency: number | undefined },
  ): Promise<(keys: LimitKeys) => Limit[]> {
    const { run, concurrency } = map;
    const all = await this.limitsOf(spec, { runId: run.id, concurrency });
    if (keyReadings(spec).length === 0) return () => all;
    const held = await this.#heldFrom(run);
    return (keys) => {
      const own = leftBelow(held, limitsByKey(this.#keyed, spec, keys), spec.id);
      return own.length === 0 ? all : inOrder([...own, ...all]);
    };
  }

  /**
   * What a run is subject to that the body of another one calls, but for slots that a run above holds until it ends: it would wait
   * for itself. Throws `invalid_input` for a key that is none.
   */
  async limitsOfCalled(spec: DefinitionSpec, caller: RunRow, input: Json): Promise<Limit[]> {
    const limitsOf = await this.limitsOfItems(spec, { run: caller, concurrency: undefined });
    const held = await this.#heldFrom(caller);
    return limitsOf(await this.#keysOf(spec, input)).filter(({ id }) => !held.has(id));
  }

  /**
   * The limits of a claimed run whose input has just been bound, where it has to stand in line for them: its keys ask for
   * other slots than it holds. Undefined: it may go on.
   */
  async lineFor(run: RunRow, spec: DefinitionSpec, input: Json): Promise<readonly Limit[] | undefined> {
    const found = limitsByKey(this.#keyed, spec, await this.#keysOf(spec, input));
    const before = run.limits.filter((limit) => isByKey(limit, run.namespace, spec.id));
    const idsOf = (all: readonly Limit[]) =>
      all
        .map(({ id }) => id)
        .sort()
        .join("\n");
    if (idsOf(found) === idsOf(before)) return undefined;
    const held = run.parentId === null ? new Set<string>() : await this.#heldFrom(run.parentId);
    const own = leftBelow(held, found, spec.id);
    if (idsOf(own) === idsOf(before)) return undefined;
    return inOrder([...own, ...run.limits.filter((limit) => !before.includes(limit))]);
  }

  /** The keys of a run with this input. Throws `invalid_input` for what is no text or number. */
  async #keysOf(spec: DefinitionSpec, input: Json): Promise<LimitKeys> {
    let keys: LimitKeys = {};
    for (const reading of keyReadings(spec)) {
      const value = await this.#evaluator.bind(reading.binding, keyScope(input), reading.place);
      keys = { ...keys, ...keyOf(reading, value) };
    }
    return keys;
  }

  /** Limits whose slots a run and those above it hold until they end: what is below them counts among what they hold. */
  async #heldFrom(from: RunRow | string): Promise<ReadonlySet<string>> {
    const held = new Set<string>();
    for (let at: RunRow | string | null | undefined = from; at !== null && at !== undefined; ) {
      const run: RunRow | undefined = typeof at === "string" ? await this.#store.findRun({ id: at }) : at;
      for (const { id, hold, perMs } of run?.limits ?? []) if (hold === "run" && perMs === undefined) held.add(id);
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
      const { id, slots, perMs, holders, standing, starts = [] } = limit;
      const rate = perMs === undefined ? {} : { perMs, starts: starts.map((at) => new Date(at).toISOString()) };
      const name = id.slice(this.#namespace.length + 1);
      return [{ name, slots, ...rate, holders: [...holders], standing: [...standing] }];
    });
  }

  /** Sets how many activations each queue may have at a time and start; a queue that is not named has no limit any more. */
  async declareQueues(queues: Readonly<Record<string, QueueLimits>>): Promise<void> {
    const sizes = Object.entries(queues).flatMap(([name, { concurrency, rate }]): LimitSize[] => [
      ...(concurrency === undefined ? [] : [{ id: this.#id("queue", name), slots: concurrency }]),
      ...(rate === undefined ? [] : [{ id: this.#id("queue-rate", name), slots: rate.limit, perMs: rate.perMs }]),
    ]);
    const known = await this.#knownQueues();
    const ids = new Set(sizes.map(({ id }) => id));
    const withdrawn = known.filter(({ id }) => !ids.has(id)).map(({ id }) => id);
    await this.#store.declareLimits({ limits: sizes, withdrawn });
    this.#queues = undefined;
  }

  async #knownQueues(): Promise<LimitSize[]> {
    const found = (["queue", "queue-rate"] as const).map((kind) =>
      this.#store.listLimits({ prefix: this.#id(kind, "") }),
    );
    return (await Promise.all(found)).flat();
  }

  get #keyed() {
    return { namespace: this.#namespace, ...this.ageing };
  }

  #declaredQueues(): Promise<ReadonlyMap<string, LimitSize>> {
    const now = this.#clock.monotonicMs();
    if (this.#queues !== undefined && now - this.#lookedMs < freshMs) return this.#queues;
    const look = this.#knownQueues().then((rows) => new Map(rows.map((size) => [size.id, size] as const)));
    look.catch(() => {
      this.#queues = undefined;
    });
    this.#queues = look;
    this.#lookedMs = now;
    return look;
  }

  #id(kind: "queue" | "queue-rate" | "map", name: string): string {
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
  const declared = specs.flatMap((spec) => ofDefinition(namespace, spec));
  const ids = new Set(declared.map(({ id }) => id));
  const own = new Set(specs.flatMap(({ id }) => kinds.map((kind) => limitId(namespace, kind, id))));
  const known = await Promise.all(kinds.map((kind) => store.listLimits({ prefix: limitId(namespace, kind, "") })));
  const withdrawn = known.flat().flatMap(({ id }) => (own.has(id) && !ids.has(id) ? id : []));
  if (declared.length + withdrawn.length > 0) await store.declareLimits({ limits: declared, withdrawn });
}

const kinds = ["definition", "rate"] as const;

/** What is said of all runs of a definition together: with a key, a number is of each key. */
function ofDefinition(namespace: string, { id, concurrency, concurrencyKey, rate }: DefinitionSpec): LimitSize[] {
  const found: LimitSize[] = [];
  if (concurrency !== undefined && concurrencyKey === undefined)
    found.push({ id: limitId(namespace, "definition", id), slots: concurrency });
  if (rate !== undefined && rate.key === undefined)
    found.push({ id: limitId(namespace, "rate", id), slots: rate.limit, perMs: rate.perMs });
  return found;
}

function limitId(namespace: string, kind: (typeof kinds)[number], definition: string): string {
  return `${namespace}/${kind}/${definition}`;
}
