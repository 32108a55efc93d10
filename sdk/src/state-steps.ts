import {
  asStateRecord,
  type ChannelCall,
  type ChannelStateOp,
  type ChannelStateScope,
  type Json,
  type StateOpResult,
  type StateRecord,
  type StateView,
} from "@holdfast/protocol";
import { changesHash } from "./state-keys.ts";
import { used } from "./wait-records.ts";

// How state is written and read by one activation. A write is a step: it goes out under a key, and its record answers when the body
// begins again (P12).

/** What a context lends: the keys of its steps, and whether it may be suspended meanwhile. */
export interface StepPlace {
  /** What this run's generation has recorded, by key; records that come are added. */
  readonly recorded: Map<string, Json>;
  readonly call: ChannelCall;
  readonly epoch: number;
  /** The key of the step whose function runs. */
  readonly inStep: () => string | undefined;
  /** Throws for a key that cannot be one, is under way, or is that of a wait. Warns of one that was used before. */
  readonly take: (key: string) => void;
  /** Writes a line of the run's log. */
  readonly warn: (text: string) => void;
  /** While it goes on, the key is under way, and the activation is not suspended; without a key only that. */
  readonly during: <T>(key: string | undefined, act: () => Promise<T>) => Promise<T>;
}

/** A scope whose values may have to be brought to the version that its task declares. */
interface Ready {
  ready(): Promise<void>;
}

export interface Write {
  /** Before it is counted; see `writeName`. */
  readonly name: string;
  readonly as: string | undefined;
  readonly ops: readonly ChannelStateOp[];
  /** The scopes that are written. */
  readonly scopes: readonly Ready[];
}

/** What the scopes of an activation share. */
export class StateSteps {
  readonly #place: StepPlace;
  readonly #counts = new Map<string, number>();

  constructor(place: StepPlace) {
    this.#place = place;
  }

  /** The key of a write: its own, or the next of its name. */
  key(name: string, as: string | undefined): string {
    const step = this.#place.inStep();
    if (as === undefined && step !== undefined) {
      throw new Error(
        `State is written inside of the step ${JSON.stringify(step)}: name the write ({ as: "…" }), or write beside the step.`,
      );
    }
    const count = (this.#counts.get(name) ?? 0) + 1;
    if (as === undefined) this.#counts.set(name, count);
    const key = as ?? `${name}#${count}`;
    this.#place.take(key);
    return key;
  }

  /** What is recorded under the key. Throws where that is no write of state. */
  known(key: string): StateRecord | undefined {
    const value = this.#place.recorded.get(key);
    if (value === undefined) return undefined;
    const record = asStateRecord(value);
    if (record === undefined) throw used(key, "is the key of a step");
    return record;
  }

  async write({ name, as, ops, scopes }: Write): Promise<readonly StateOpResult[]> {
    const key = this.key(name, as);
    const known = this.known(key);
    if (known !== undefined) {
      if ((known.hash ?? "") !== changesHash(ops)) this.#place.warn(otherChanges(key));
      return known.results;
    }
    return this.#place.during(key, async () => {
      for (const scope of scopes) await scope.ready();
      return (await this.commit(key, ops)).results;
    });
  }

  during<T>(key: string | undefined, act: () => Promise<T>): Promise<T> {
    return this.#place.during(key, act);
  }

  /** A key that no earlier activation used. */
  freshKey(name: string): string {
    return this.key(`${name}@${this.#place.epoch}`, undefined);
  }

  async commit(key: string, ops: readonly ChannelStateOp[], value?: Json): Promise<StateRecord> {
    const more = value === undefined ? {} : { value };
    const answer = await this.#place.call("state.transact", { key, ops: [...ops], ...more });
    this.#place.recorded.set(key, answer.value);
    const record = this.known(key);
    if (record === undefined) throw new Error(`Nothing is recorded of ${JSON.stringify(key)}.`);
    return record;
  }

  async read(scope: ChannelStateScope, key: string): Promise<StateView | undefined> {
    const { values } = await this.#place.call("state.get", { scope, keys: [key] });
    return values[0];
  }

  async list(scope: ChannelStateScope, prefix: string | undefined): Promise<StateView[]> {
    const found: StateView[] = [];
    let after: string | null = null;
    do {
      const from: { after?: string } = after === null ? {} : { after };
      const more = prefix === undefined ? {} : { prefix };
      const page = await this.#place.call("state.list", { scope, ...more, ...from });
      found.push(...page.values);
      after = page.cursor;
    } while (after !== null);
    return found;
  }
}

function otherChanges(key: string): string {
  return `${JSON.stringify(key)} is recorded with other changes: its record answers, and nothing is changed. Give each write a name of its own.`;
}
