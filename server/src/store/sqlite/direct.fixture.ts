import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Bell } from "../remote/bell.ts";
import { PendingCalls } from "../remote/pending.ts";
import type { StoreLink } from "../remote/remote-store.ts";
import type { RingTopic, StoreVerb } from "../store.ts";
import type { Database } from "./database.ts";

// For tests: the database in this thread. It saves each of hundreds of cases the start of a thread of its own.

/** What DatabaseThread does, without the thread. */
export class DirectLink implements StoreLink {
  readonly #database: Database;
  readonly #calls: PendingCalls;
  readonly #bell = new Bell();
  ended = false;

  constructor(database: Database, clock: { now(): number }) {
    this.#database = database;
    this.#calls = new PendingCalls((requests) => {
      // Through text, as between threads.
      const sent = JSON.parse(JSON.stringify(requests)) as typeof requests;
      const { answers, rings } = JSON.parse(JSON.stringify(database.carryOut(sent, clock.now())));
      for (const answer of answers) this.#calls.answer(answer);
      this.#bell.tell(rings);
    });
  }

  call(verb: StoreVerb, args: unknown, remote = false): Promise<unknown> {
    return this.#calls.call(verb, args, remote);
  }

  ring(topics: readonly RingTopic[]): void {
    this.#bell.tell(topics);
  }

  onRing(listener: (topics: readonly RingTopic[]) => void): () => void {
    return this.#bell.listen(listener);
  }

  async close(): Promise<void> {
    await this.#calls.answered();
    if (!this.ended) this.#database.close();
    this.ended = true;
  }
}

/** Calls `body` with a folder that is removed afterwards. */
export async function inFolder(body: (folder: string) => Promise<void> | void): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-sqlite-"));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
