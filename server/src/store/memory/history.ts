import type { LogLine, RunEvent, TopicEvent } from "@holdfast/protocol";
import type { LedgerEvent } from "../../core/index.ts";

// P10: a run's events are numbered by the ledger; a topic's by the order in which the sequencer moves them here.

interface Topic {
  events: TopicEvent[];
  last: number;
}

interface KeptLine {
  readonly line: LogLine;
  readonly place: number;
  readonly writtenAt: number;
}

export class EventHistory {
  readonly #byRun = new Map<string, RunEvent[]>();
  readonly #topics = new Map<string, Topic>();
  #unsequenced: { readonly namespace: string; readonly event: RunEvent }[] = [];

  record({ run, number, type, at, data }: LedgerEvent): void {
    const { id: runId, rootId, definition, name, namespace } = run;
    const event: RunEvent = Object.freeze({
      runId,
      rootId,
      definition,
      name,
      number,
      type,
      at,
      data: data as RunEvent["data"],
    });
    const events = this.#byRun.get(runId);
    if (events === undefined) this.#byRun.set(runId, [event]);
    else events.push(event);
    this.#unsequenced.push({ namespace, event });
  }

  ofRun(runId: string, after: number, limitRows: number): RunEvent[] {
    return (this.#byRun.get(runId) ?? []).slice(after, after + limitRows);
  }

  sequence(limitRows: number): { moved: number; more: boolean } {
    const moving = this.#unsequenced.slice(0, limitRows);
    this.#unsequenced = this.#unsequenced.slice(limitRows);
    for (const { namespace, event } of moving) {
      const topic = this.#topics.get(namespace) ?? { events: [], last: 0 };
      this.#topics.set(namespace, topic);
      topic.last += 1;
      topic.events.push(Object.freeze({ ...event, position: topic.last }));
    }
    return { moved: moving.length, more: this.#unsequenced.length > 0 };
  }

  ofTopic(namespace: string, after: number, limitRows: number): { events: TopicEvent[]; last: number } {
    const topic = this.#topics.get(namespace);
    if (topic === undefined) return { events: [], last: 0 };
    // Positions have no holes, so that the place of one is counted from the end.
    const start = Math.max(0, topic.events.length - (topic.last - after));
    return { events: topic.events.slice(start, start + limitRows), last: topic.last };
  }

  forgetRuns(ids: readonly string[]): void {
    for (const id of ids) this.#byRun.delete(id);
  }

  /** Drops topic events from before `moment`; their positions are not given out again. */
  forgetTopics(moment: number): void {
    for (const topic of this.#topics.values()) topic.events = topic.events.filter((event) => event.at >= moment);
  }
}

export class LogHistory {
  readonly #byRun = new Map<string, KeptLine[]>();
  readonly #seen = new Map<string, Set<string>>();
  #lastPlace = 0;

  /** Keeps a line once. */
  append(line: LogLine, now: number): void {
    const seen = this.#seen.get(line.runId) ?? new Set<string>();
    this.#seen.set(line.runId, seen);
    const identity = `${line.epoch}:${line.seq}`;
    if (seen.has(identity)) return;
    seen.add(identity);
    this.#lastPlace += 1;
    const lines = this.#byRun.get(line.runId) ?? [];
    this.#byRun.set(line.runId, lines);
    lines.push({ line, place: this.#lastPlace, writtenAt: now });
  }

  ofRun(runId: string, after: number, limitRows: number): { lines: LogLine[]; last: number | undefined } {
    const all = this.#byRun.get(runId) ?? [];
    const page = all.filter((kept) => kept.place > after).slice(0, limitRows);
    return { lines: page.map((kept) => kept.line), last: page.at(-1)?.place };
  }

  forgetRuns(ids: readonly string[]): void {
    for (const id of ids) {
      this.#byRun.delete(id);
      this.#seen.delete(id);
    }
  }

  /** Drops lines that were written before `moment`. */
  forgetLines(moment: number): void {
    for (const [runId, lines] of this.#byRun) {
      const rest = lines.filter((kept) => kept.writtenAt >= moment);
      if (rest.length > 0) this.#byRun.set(runId, rest);
      else this.forgetRuns([runId]);
    }
  }
}
