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
  /** Names past their retention whose run is still there. */
  #overdue: string[] = [];

  find(name: string): KeptName | undefined {
    return this.#names.get(name);
  }

  keep(name: string, { hash, retentionMs }: Uniqueness, runId: string, now: number): void {
    const until = now + retentionMs;
    this.#names.set(name, { runId, hash, until });
    this.#byRetention.push({ name, until });
  }

  /** Forgets the names that hold no longer. */
  prune(now: number, isThere: (runId: string) => boolean): void {
    for (let top = this.#byRetention.top; top !== undefined && top.until < now; top = this.#byRetention.top) {
      this.#byRetention.pop();
      this.#overdue.push(top.name);
    }
    this.#overdue = this.#overdue.filter((name) => {
      const kept = this.#names.get(name);
      if (kept !== undefined && isThere(kept.runId)) return true;
      this.#names.delete(name);
      return false;
    });
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
