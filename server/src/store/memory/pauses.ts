import { type PauseRow, pauseId, pausesOver, type RunRow } from "../../core/index.ts";
import type { Change, Note, NotedPause } from "./changes.ts";

/** What is paused, and pauses that are over while somebody still stands at their gates. */
export class PauseTable {
  readonly #note: Note;
  readonly #rows = new Map<string, NotedPause>();

  constructor(note?: Note) {
    this.#note = note;
  }

  /** The pause of this id that holds. */
  find(id: string): PauseRow | undefined {
    const row = this.#rows.get(id);
    return row === undefined || row.isOver ? undefined : pauseOf(row);
  }

  put(pause: NotedPause): void {
    this.#note?.({ is: "pause", pause });
    this.#rows.set(pauseId(pause), pause);
  }

  forget(id: string): void {
    this.#note?.({ is: "pauseForgotten", id });
    this.#rows.delete(id);
  }

  /** Forgets those of runs that are over. */
  forgetRuns(isOver: (runId: string) => boolean): void {
    for (const [id, { kind, name }] of this.#rows) if (kind === "run" && isOver(name)) this.forget(id);
  }

  /** The pauses that stand over the first of these runs. */
  over(chain: readonly RunRow[]): PauseRow[] {
    if (this.#rows.size === 0) return [];
    return pausesOver(chain).flatMap((id) => this.find(id) ?? []);
  }

  list(
    args: { namespace: string; kind?: PauseRow["kind"]; after?: string; limitRows: number },
    isLive: (runId: string) => boolean,
  ): PauseRow[] {
    const { namespace, kind, after = "", limitRows } = args;
    const found = this.#sorted().filter(([id, row]) => {
      if (row.namespace !== namespace || row.isOver || id <= after) return false;
      return (kind === undefined || row.kind === kind) && (row.kind !== "run" || isLive(row.name));
    });
    return found.slice(0, limitRows).map(([, row]) => pauseOf(row));
  }

  /** Ids of pauses that are over, in their order. */
  ended(): string[] {
    return this.#sorted().flatMap(([id, { isOver }]) => (isOver ? id : []));
  }

  /** Everything that is here now. */
  content(): Change[] {
    return [...this.#rows.values()].map((pause) => ({ is: "pause", pause }));
  }

  #sorted(): [string, NotedPause][] {
    return [...this.#rows].sort(([a], [b]) => (a < b ? -1 : 1));
  }
}

function pauseOf({ isOver: _, ...pause }: NotedPause): PauseRow {
  return pause;
}
