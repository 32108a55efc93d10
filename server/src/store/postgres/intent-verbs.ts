import type { IntentStore } from "../intents.ts";
import type { RingTopic } from "../store.ts";
import * as intents from "./intents.ts";
import { settleIntents } from "./redeeming.ts";
import type { SessionPool } from "./session-pool.ts";

type Args<Verb extends keyof IntentStore> = Parameters<IntentStore[Verb]>[0];
type Answer<Verb extends keyof IntentStore> = ReturnType<IntentStore[Verb]>;

/** The verbs of intents on PostgreSQL. */
export class IntentVerbs implements IntentStore {
  readonly #pool: SessionPool;
  readonly #ring: (topics: readonly RingTopic[]) => void;

  constructor(parts: { pool: SessionPool; ring: (topics: readonly RingTopic[]) => void }) {
    this.#pool = parts.pool;
    this.#ring = parts.ring;
  }

  listIntents(args: Args<"listIntents">): Answer<"listIntents"> {
    return intents.listIntents(this.#pool, args);
  }

  findIntent(args: Args<"findIntent">): Answer<"findIntent"> {
    return intents.findIntent(this.#pool, args);
  }

  findKeptId(args: Args<"findKeptId">): Answer<"findKeptId"> {
    return intents.findKeptId(this.#pool, args);
  }

  async settleIntents({ rows }: Args<"settleIntents">): Answer<"settleIntents"> {
    if (rows.length === 0) return [];
    const { results, topics } = await settleIntents(this.#pool, rows);
    this.#ring(topics);
    return results;
  }

  reopenJudged(args: Args<"reopenJudged">): Answer<"reopenJudged"> {
    return intents.reopenJudged(this.#pool, args);
  }

  reopenIntents(args: Args<"reopenIntents">): Answer<"reopenIntents"> {
    return intents.reopenIntents(this.#pool, args);
  }

  dropIntents(args: Args<"dropIntents">): Answer<"dropIntents"> {
    return intents.dropIntents(this.#pool, args);
  }

  grantIntents(args: Args<"grantIntents">): Answer<"grantIntents"> {
    return intents.grantIntents(this.#pool, args);
  }
}
