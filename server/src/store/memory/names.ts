import type { Uniqueness } from "../store.ts";
import type { Change, Note, NotedName } from "./changes.ts";
import { Heap } from "./heap.ts";

/** Keys of runs and requests: what each was first used for, until it is past its retention and its run is gone. */
export class UniqueNames {
  readonly #note: Note;
  readonly #names = new Map<string, NotedName>();
  readonly #byRetention = new Heap<{ readonly name: string; readonly until: number }>((a, b) => a.until < b.until);
  /** Names past their retention, by their run that is still there. */
  readonly #overdue = new Map<string, string[]>();

  constructor(note?: Note) {
    this.#note = note;
  }

  find(name: string): NotedName | undefined {
    return this.#names.get(name);
  }

  keep(
    name: string,
    { hash, retentionMs }: Uniqueness,
    of: { readonly runId: string; readonly answer?: string },
    now: number,
  ): void {
    this.restore(name, { ...of, hash, until: now + retentionMs });
  }

  restore(name: string, kept: NotedName): void {
    this.#note?.({ is: "name", name, kept });
    this.#names.set(name, kept);
    this.#byRetention.push({ name, until: kept.until });
  }

  /** Forgets the names that hold no longer. `removed`: runs that are there no more since the last call. */
  prune(now: number, removed: readonly string[], isThere: (runId: string) => boolean): void {
    const over = removed.flatMap((runId) => this.#overdue.get(runId) ?? []);
    for (const runId of removed) this.#overdue.delete(runId);
    for (let top = this.#byRetention.top; top !== undefined && top.until < now; top = this.#byRetention.top) {
      this.#byRetention.pop();
      const kept = this.#names.get(top.name);
      // That of an earlier use of the name, which was forgotten before: a store that is read again goes through both.
      if (kept === undefined || kept.until !== top.until) continue;
      const { runId } = kept;
      if (isThere(runId)) this.#overdue.set(runId, [...(this.#overdue.get(runId) ?? []), top.name]);
      else over.push(top.name);
    }
    if (over.length > 0) this.forget(over);
  }

  forget(names: readonly string[]): void {
    this.#note?.({ is: "namesForgotten", names });
    for (const name of names) this.#names.delete(name);
  }

  /** Everything that is here now. */
  content(): Change[] {
    return [...this.#names].map(([name, kept]) => ({ is: "name", name, kept }));
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

/** The name of a request to signal a run. */
export function signalName(runId: string, request: string): string {
  return JSON.stringify(["signal", runId, request]);
}

/** The name of a part of a request; the first is that of a request which enqueues. */
export function partName({ namespace, key, part }: { namespace: string; key: string; part: string }): string {
  return part === "" ? requestName(namespace, key) : JSON.stringify(["request", namespace, key, part]);
}
