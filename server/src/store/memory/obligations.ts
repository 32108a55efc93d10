import type { ObligationChange, ObligationRow } from "../../core/index.ts";
import type { ObligationName, ObligationNote } from "../obligation-verbs.ts";
import type { Change, Note } from "./changes.ts";

/** What orders have to bring to an end, met or not, as long as its runs are there. */
export class ObligationTable {
  readonly #note: Note;
  readonly #runs = new Map<string, Map<string, ObligationRow>>();
  /** Those that are not met. */
  readonly #open = new Set<ObligationRow>();

  constructor(note?: Note) {
    this.#note = note;
  }

  put(row: ObligationRow): void {
    this.#note?.({ is: "obligation", obligation: row });
    const rows = this.#runs.get(row.runId) ?? new Map<string, ObligationRow>();
    const before = rows.get(placeOf(row));
    if (before !== undefined) this.#open.delete(before);
    this.#runs.set(row.runId, rows.set(placeOf(row), Object.freeze(row)));
    if (row.metAt === null) this.#open.add(row);
  }

  /** Writes down what changes of runs mean. */
  follow(changes: readonly ObligationChange[]): void {
    for (const { became, row } of changes) {
      const before = this.#find(row);
      if (before === undefined) this.put(row);
      else if (before.metAt !== null || became === "owed")
        continue; // It stands, forced or not: a later order adds nothing.
      else this.put({ ...before, [became === "met" ? "metAt" : "forcedAt"]: at(row) });
    }
  }

  note(notes: readonly ObligationNote[], now: number): number {
    let noted = 0;
    for (const note of notes) {
      const row = this.#find(note);
      if (row === undefined || row.metAt !== null || (note.outcome === "met" && !isToSay(row))) continue;
      if (note.outcome === "met") this.put({ ...row, metAt: now });
      else this.put({ ...row, tries: row.tries + 1, lastTryAt: now, error: note.error });
      noted += 1;
    }
    return noted;
  }

  /** Meets what those owe who are gone and for whom no run waits any more. */
  meetOf(isGone: (memberId: string) => boolean, now: number): void {
    for (const row of [...this.#open]) {
      if (row.forcedAt !== null && row.memberId !== null && isGone(row.memberId)) this.put({ ...row, metAt: now });
    }
  }

  /** Open ones, the longest ordered first. */
  open(): ObligationRow[] {
    return inOrder([...this.#open]);
  }

  /** Trees in which an external job has still to be ended. */
  openJobTrees(): ReadonlySet<string> {
    return new Set([...this.#open].flatMap(({ kind, rootId }) => (kind === "external_job" ? rootId : [])));
  }

  all(): ObligationRow[] {
    return inOrder([...this.#runs.values()].flatMap((rows) => [...rows.values()]));
  }

  forgetRuns(ids: readonly string[]): void {
    for (const id of ids) {
      for (const row of this.#runs.get(id)?.values() ?? []) this.#open.delete(row);
      this.#runs.delete(id);
    }
  }

  /** Everything that is here now. */
  content(): Change[] {
    return this.all().map((obligation) => ({ is: "obligation", obligation }));
  }

  #find(name: ObligationName): ObligationRow | undefined {
    return this.#runs.get(name.runId)?.get(placeOf(name));
  }
}

/** Whether its member says that it is met. What a run waits for, its end meets; and the end of a job. */
function isToSay({ kind, forcedAt }: ObligationRow): boolean {
  return kind === "activation" && forcedAt !== null;
}

function placeOf({ kind, subject }: ObligationName): string {
  return `${kind} ${subject}`;
}

/** When it became so. */
function at({ forcedAt, metAt }: ObligationRow): number | null {
  return metAt ?? forcedAt;
}

function inOrder(rows: ObligationRow[]): ObligationRow[] {
  const before = (a: ObligationRow, b: ObligationRow) =>
    a.runId === b.runId ? placeOf(a) < placeOf(b) : a.runId < b.runId;
  return rows.sort((a, b) => a.orderedAt - b.orderedAt || (before(a, b) ? -1 : 1));
}
