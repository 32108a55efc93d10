import type { Uniqueness } from "../store.ts";
import { Heap } from "./heap.ts";

interface KeptName {
  readonly runId: string;
  readonly hash: string;
  readonly until: number;
}

/** Keys of runs and requests: what each was first used for, until it is past its retention and its run is gone. */
export class UniqueNames {
  readonly #names = new Map<string, KeptName>();
  readonly #byRetention = new Heap<{ readonly name: string; readonly until: number }>((a, b) => a.until < b.until);
  /** Names past their retention, by their run that is still there. */
  readonly #overdue = new Map<string, string[]>();

  find(name: string): KeptName | undefined {
    return this.#names.get(name);
  }

  keep(name: string, { hash, retentionMs }: Uniqueness, runId: string, now: number): void {
    const until = now + retentionMs;
    this.#names.set(name, { runId, hash, until });
    this.#byRetention.push({ name, until });
  }

  /** Forgets the names that hold no longer. `removed`: runs that are there no more since the last call. */
  prune(now: number, removed: readonly string[], isThere: (runId: string) => boolean): void {
    for (const runId of removed) {
      for (const name of this.#overdue.get(runId) ?? []) this.#names.delete(name);
      this.#overdue.delete(runId);
    }
    for (let top = this.#byRetention.top; top !== undefined && top.until < now; top = this.#byRetention.top) {
      this.#byRetention.pop();
      const runId = this.#names.get(top.name)?.runId;
      if (runId === undefined) continue;
      if (isThere(runId)) this.#overdue.set(runId, [...(this.#overdue.get(runId) ?? []), top.name]);
      else this.#names.delete(top.name);
    }
  }
}

/** The name of a run's key. */
export function keyName(namespace: string, definition: string, key: string): string {
  return JSON.stringify(["key", namespace, definition, key]);
}

/** The name of a request. */
export function requestName(namespace: string, request: string): string {
  return JSON.stringify(["request", namespace, request]);
}
