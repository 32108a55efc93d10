import type { RingTopic } from "../store.ts";
import type { Connection } from "./connection.ts";

/** What a verb works with: the database inside a transaction, and the moment at which it happens (P9). */
export interface Turn {
  readonly db: Connection;
  readonly now: number;
  /** The owner's boot; members of earlier boots have nobody left to speak for them. */
  readonly boot: number;
  /** When that boot began. */
  readonly bootAt: number;
  /** True for a call of another process, through the socket. */
  readonly remote: boolean;
  /** Notes what changed; told to listeners once it is committed. */
  readonly ring: (topic: RingTopic) => void;
}
