import { createHash } from "node:crypto";
import { type ErrorCode, isAppError, limits, storableText, utf8Bytes } from "@holdfast/protocol";
import { type AssetEvent, consumingIdentity, rootId } from "../core/index.ts";
import type { ConsumerDetail, ConsumingResult, Consumption, EnqueueRow, Store } from "../store/store.ts";
import { startingEvent } from "./asset-answers.ts";
import type { Concurrency } from "./concurrency.ts";
import type { Definitions } from "./definitions.ts";
import { checkInput } from "./input-bounds.ts";
import { newRun } from "./runs.ts";

/** What makes it impossible to start a run now and when it is tried again, until the definition or the events are others. */
const failures: ReadonlySet<ErrorCode> = new Set([
  "invalid_input",
  "too_large",
  "not_found",
  "invalid_definition",
  "invalid_request",
]);

/** Of what is kept of a consumer's problem. */
const problemCharacters = 500;

export interface ConsumingOptions {
  readonly store: Store;
  readonly definitions: Definitions;
  readonly concurrency: Concurrency;
  readonly namespace: string;
}

/** What a look at the consumers came to. */
export interface Consumed {
  /** Runs that were started. */
  readonly started: number;
  /** Consumers that others were at, or that changed meanwhile. */
  readonly stale: number;
  /** Why nothing could be started, by definition; each is told once. */
  readonly problems: readonly { readonly definition: string; readonly problem: string }[];
}

/** What a consumer is to take, as far as it is known where it goes. */
interface Taking {
  readonly events: Readonly<Record<string, readonly AssetEvent[]>>;
  readonly taken: Consumption["taken"];
  /** When the newest of them was told. */
  readonly at: number;
}

/**
 * Starts runs of definitions that wait for events of assets: reads what is new for each, makes the run, and lets the store move the
 * consumer on and insert the run in one step that compares versions. Whoever dies before that step has done nothing, whoever comes second
 * finds another version.
 */
export class Consuming {
  readonly #store: Store;
  readonly #definitions: Definitions;
  readonly #concurrency: Concurrency;
  readonly #namespace: string;
  /** How the consumers stood that could start nothing, by definition: as long as they stand so, they are left in peace. */
  readonly #stuck = new Map<string, string>();

  constructor({ store, definitions, concurrency, namespace }: ConsumingOptions) {
    this.#store = store;
    this.#definitions = definitions;
    this.#concurrency = concurrency;
    this.#namespace = namespace;
  }

  /** Looks at every consumer that is due, `limitRows` at a time. */
  async consumeDue(limitRows: number): Promise<Consumed> {
    const problems: Consumed["problems"][number][] = [];
    let [started, stale] = [0, 0];
    for (let after: string | undefined = ""; after !== undefined; ) {
      const due: ConsumerDetail[] = await this.#store.dueConsumers({ namespace: this.#namespace, after, limitRows });
      for (const result of await Promise.all(due.map((each) => this.#consume(each)))) {
        if (result === undefined) continue;
        if ("problem" in result) problems.push(result);
        else if (result.outcome === "stale") stale += 1;
        else started += 1;
      }
      after = due.length < limitRows ? undefined : due.at(-1)?.consumer.definition;
    }
    return { started, stale, problems };
  }

  /** Undefined: it is as it was when it could start nothing. */
  async #consume(due: ConsumerDetail): Promise<ConsumingResult | Consumed["problems"][number] | undefined> {
    const { definition, version } = due.consumer;
    const standing = JSON.stringify([version, due.manifestHash, due.places]);
    if (this.#stuck.get(definition) === standing) return undefined;
    this.#stuck.delete(definition);
    try {
      const taking = await this.#read(due);
      if (taking === undefined) return { outcome: "stale" };
      const run = await this.#runOf(due, taking);
      const row = { namespace: this.#namespace, definition, version, taken: taking.taken, run };
      const [result] = await this.#store.consumeEvents({ rows: [row] });
      return result ?? { outcome: "stale" };
    } catch (error) {
      if (!isAppError(error) || !failures.has(error.code)) throw error;
      this.#stuck.set(definition, standing);
      const problem = storableText(error.message.slice(0, problemCharacters));
      if (problem === due.consumer.problem) return undefined;
      const { noted } = await this.#store.noteConsumer({ namespace: this.#namespace, definition, version, problem });
      return noted ? { definition, problem } : { outcome: "stale" };
    }
  }

  /** What is new, as much as one run takes: of each asset something, and then more in the order in which they are named. */
  async #read({ consumer, places }: ConsumerDetail): Promise<Taking | undefined> {
    const { mode, maxEvents: limitRows = limits.eventsPerStart } = consumer.startOn;
    const found = await Promise.all(
      places.map(async ({ asset, position, lastEvent }) => {
        if (lastEvent <= position) return { asset, events: [] };
        const name = { namespace: this.#namespace, id: asset };
        return { asset, events: await this.#store.listAssetEvents({ ...name, after: position, limitRows }) };
      }),
    );
    // The first of each has its place, whatever the others take.
    let bytes = found.reduce((sum, { events: [first] }) => sum + (first === undefined ? 0 : bytesOf(first)), 0);
    const chosen = found.map(({ asset, events: [first, ...more] }) => {
      if (first === undefined) return { asset, events: [] };
      const events = [first];
      for (const event of more) {
        bytes += bytesOf(event);
        if (bytes > limits.eventBytesPerStart) break;
        events.push(event);
      }
      return { asset, events };
    });
    const taken = chosen.flatMap(({ asset, events }) => {
      const last = events.at(-1);
      return last === undefined ? [] : [{ asset, to: last.number }];
    });
    if (taken.length === 0 || (mode === "all" && taken.length < places.length)) return undefined;
    const at = Math.max(...chosen.flatMap(({ events }) => events.map((event) => event.at)));
    return { events: Object.fromEntries(chosen.map(({ asset, events }) => [asset, events])), taken, at };
  }

  async #runOf({ consumer, manifestHash }: ConsumerDetail, { events, at }: Taking): Promise<EnqueueRow> {
    const namespace = this.#namespace;
    const { definition, started } = consumer;
    const spec = await this.#definitions.spec(manifestHash ?? "", definition);
    const shown = Object.entries(events).map(([asset, of]) => [asset, of.map(startingEvent)] as const);
    const input = { events: Object.fromEntries(shown) };
    checkInput(input, definition);
    const fitted = await this.#definitions.fitInput(spec, input);
    checkInput(fitted, definition);
    const hash = createHash("sha256")
      .update(consumingIdentity(namespace, definition, started))
      .digest();
    const limitsOfRun = await this.#concurrency.limitsOfRoot(spec, fitted);
    const request = { definition };
    const run = newRun({
      id: rootId(at, hash),
      namespace,
      request,
      spec,
      manifestHash: manifestHash ?? "",
      limits: limitsOfRun,
    });
    return { run: { ...run, ...this.#concurrency.ageing, input: fitted }, key: null, request: null, claimFor: null };
  }
}

function bytesOf(event: AssetEvent): number {
  return utf8Bytes(JSON.stringify(startingEvent(event)));
}
