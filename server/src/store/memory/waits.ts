import type { SignalRow, WaitChanges, WaitName, WaitRow } from "../../core/index.ts";
import type { Change, Note } from "./changes.ts";
import { DueQueue } from "./queues.ts";

/** Open waits of runs, and signals that nobody has waited for yet. */
export class WaitTable {
  readonly #note: Note;
  readonly #byRun = new Map<string, Map<string, WaitRow>>();
  readonly #signals = new Map<string, SignalRow[]>();
  readonly #due = new DueQueue((name) => this.#named(name)?.dueAt ?? null);
  #lastPlace = 0;

  constructor(note?: Note) {
    this.#note = note;
  }

  /** The oldest first. */
  of(runId: string): WaitRow[] {
    return [...(this.#byRun.get(runId)?.values() ?? [])];
  }

  find(name: WaitName): WaitRow | undefined {
    return this.#byRun.get(name.runId)?.get(keyOf(name));
  }

  /** The oldest first. */
  signalsOf(runId: string): readonly SignalRow[] {
    return this.#signals.get(runId) ?? [];
  }

  /** Takes the first wait that is due out of the line; undefined: none is. */
  takeDue(now: number): WaitRow | undefined {
    return this.#named(this.#due.take(now) ?? "");
  }

  nextInMs(now: number): number | null {
    return this.#due.nextInMs(now);
  }

  apply({ cleared, opened, regrouped, ended, keptSignals, takenSignals }: WaitChanges): void {
    for (const runId of cleared) for (const wait of this.of(runId)) this.end(wait);
    for (const wait of [...opened, ...regrouped]) this.put(wait);
    for (const wait of ended) if (this.find(wait) !== undefined) this.end(wait);
    for (const signal of keptSignals) this.keep(signal);
    for (const signal of takenSignals) this.take(signal);
  }

  put(wait: WaitRow): void {
    this.#note?.({ is: "wait", wait });
    const waits = this.#byRun.get(wait.runId) ?? new Map<string, WaitRow>();
    const before = waits.get(keyOf(wait));
    this.#byRun.set(wait.runId, waits.set(keyOf(wait), wait));
    if (wait.dueAt === null || before?.dueAt === wait.dueAt) return;
    this.#lastPlace += 1;
    this.#due.push({ id: nameOf(wait), at: wait.dueAt, place: this.#lastPlace });
  }

  end({ runId, generation, key }: WaitName): void {
    this.#note?.({ is: "waitEnded", runId, generation, key });
    const waits = this.#byRun.get(runId);
    waits?.delete(keyOf({ runId, generation, key }));
    if (waits?.size === 0) this.#byRun.delete(runId);
  }

  keep(signal: SignalRow): void {
    this.#note?.({ is: "signal", signal });
    this.#signals.set(signal.runId, [...this.signalsOf(signal.runId), signal]);
  }

  take({ runId, number }: Pick<SignalRow, "runId" | "number">): void {
    this.#note?.({ is: "signalTaken", runId, number });
    const rest = this.signalsOf(runId).filter((signal) => signal.number !== number);
    if (rest.length === 0) this.#signals.delete(runId);
    else this.#signals.set(runId, rest);
  }

  forgetRuns(ids: readonly string[]): void {
    for (const id of ids) {
      this.#byRun.delete(id);
      this.#signals.delete(id);
    }
  }

  /** Everything that is here now. */
  content(): Change[] {
    const waits = [...this.#byRun.values()].flatMap((of) =>
      [...of.values()].map((wait): Change => ({ is: "wait", wait })),
    );
    const signals = [...this.#signals.values()].flat().map((signal): Change => ({ is: "signal", signal }));
    return [...waits, ...signals];
  }

  #named(name: string): WaitRow | undefined {
    if (name === "") return undefined;
    const [runId = "", generation = 0, key = ""] = JSON.parse(name) as [string, number, string];
    return this.find({ runId, generation, key });
  }
}

function keyOf({ generation, key }: WaitName): string {
  return `${generation}/${key}`;
}

function nameOf({ runId, generation, key }: WaitName): string {
  return JSON.stringify([runId, generation, key]);
}
