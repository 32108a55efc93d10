import { type LogLine, limits, type RunEvent, type TopicEvent, utf8Bytes } from "@holdfast/protocol";
import type { LedgerEvent } from "../../core/index.ts";
import { jsonBytes } from "../admission.ts";
import { fittingRows } from "../page-bytes.ts";
import type { Change, Note, NotedEvent, NotedLine, Summary } from "./changes.ts";

// P10: a run's events are numbered by the ledger; a topic's by the order in which the sequencer moves them here.

interface Topic {
  events: TopicEvent[];
  last: number;
}

/** So many events of a topic go into one summary. */
const summaryRows = 1_000;

export class EventHistory {
  readonly #note: Note;
  readonly #byRun = new Map<string, RunEvent[]>();
  readonly #topics = new Map<string, Topic>();
  #unsequenced: { readonly namespace: string; readonly event: RunEvent }[] = [];

  constructor(note?: Note) {
    this.#note = note;
  }

  record({ run, number, type, at, data }: LedgerEvent): void {
    this.#note?.({ is: "event", runId: run.id, event: { number, type, at, data } });
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
    return fittingEvents((this.#byRun.get(runId) ?? []).slice(after, after + limitRows));
  }

  sequence(limitRows: number): { moved: number; more: boolean } {
    const moving = this.#unsequenced.slice(0, limitRows);
    this.#unsequenced = this.#unsequenced.slice(limitRows);
    for (const { namespace, event } of moving) {
      const topic = this.#topicOf(namespace);
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
    return { events: fittingEvents(topic.events.slice(start, start + limitRows)), last: topic.last };
  }

  forgetRuns(ids: readonly string[]): void {
    for (const id of ids) this.#byRun.delete(id);
  }

  /** Drops topic events from before `moment`; their positions are not given out again. */
  forgetTopics(moment: number): void {
    let isLess = false;
    for (const topic of this.#topics.values()) {
      const rest = topic.events.filter((event) => event.at >= moment);
      if (rest.length < topic.events.length) isLess = true;
      topic.events = rest;
    }
    if (isLess) this.#note?.({ is: "topicsForgotten", before: moment });
  }

  /** Everything that is here now and has been sequenced; what it yields is what was there when it was called. */
  content(): Iterable<Summary> {
    const histories = [...this.#byRun].map(([runId, events]) => ({ runId, events: [...events] }));
    const topics = [...this.#topics].map(([namespace, { events, last }]) => ({ namespace, events: [...events], last }));
    const there = new Set(this.#byRun.keys());
    return (function* (): Generator<Summary> {
      for (const { runId, events } of histories) yield { is: "events", runId, events: events.map(notedEvent) };
      for (const { namespace, events, last } of topics) {
        for (let at = 0; at < events.length; at += summaryRows) {
          const page = events.slice(at, at + summaryRows);
          const shown = page.map((event) => (there.has(event.runId) ? ([event.runId, event.number] as const) : event));
          yield { is: "topic", namespace, from: page[0]?.position ?? 0, events: shown };
        }
        yield { is: "topicEnd", namespace, last };
      }
    })();
  }

  /** Events of a topic, at the positions that they had. */
  restoreTopic({ namespace, from, events }: Extract<Summary, { is: "topic" }>): void {
    const topic = this.#topicOf(namespace);
    for (const [index, event] of events.entries()) {
      const known = "runId" in event ? event : this.#byRun.get(event[0])?.[event[1] - 1];
      if (known !== undefined) topic.events.push(Object.freeze({ ...known, position: from + index }));
    }
  }

  /** The highest position that a topic has given out. */
  restoreEnd({ namespace, last }: Extract<Summary, { is: "topicEnd" }>): void {
    this.#topicOf(namespace).last = last;
  }

  /** Takes what was recorded out of the sequencer's hands: the positions are restored by themselves. */
  forgetUnsequenced(): void {
    this.#unsequenced = [];
  }

  #topicOf(namespace: string): Topic {
    const topic = this.#topics.get(namespace) ?? { events: [], last: 0 };
    this.#topics.set(namespace, topic);
    return topic;
  }
}

function fittingEvents<T extends RunEvent>(events: readonly T[]): T[] {
  return events.slice(
    0,
    fittingRows(events, ({ data }) => jsonBytes(data)),
  );
}

function notedEvent({ number, type, at, data }: RunEvent): NotedEvent {
  return { number, type, at, data };
}

export class LogHistory {
  readonly #note: Note;
  readonly #byRun = new Map<string, NotedLine[]>();
  readonly #seen = new Map<string, Set<string>>();
  #lastPlace = 0;

  constructor(note?: Note) {
    this.#note = note;
  }

  get lastPlace(): number {
    return this.#lastPlace;
  }

  /** Keeps a line once. */
  append(line: LogLine, now: number): void {
    if (this.#seen.get(line.runId)?.has(identityOf(line)) === true) return;
    this.restore({ line, place: this.#lastPlace + 1, writtenAt: now });
  }

  restore(kept: NotedLine): void {
    this.#note?.({ is: "line", kept });
    const { runId } = kept.line;
    this.markSeen(runId, [identityOf(kept.line)]);
    this.raisePlace(kept.place);
    const lines = this.#byRun.get(runId) ?? [];
    this.#byRun.set(runId, lines);
    lines.push(kept);
  }

  /** Lines that are not kept again, whether they are there or not. */
  markSeen(runId: string, identities: readonly string[]): void {
    const seen = this.#seen.get(runId) ?? new Set<string>();
    this.#seen.set(runId, seen);
    for (const identity of identities) seen.add(identity);
  }

  /** Gives out no place up to this one any more. */
  raisePlace(place: number): void {
    this.#lastPlace = Math.max(this.#lastPlace, place);
  }

  /** Everything that is here now. */
  content(): (Change | Summary)[] {
    const lines = [...this.#byRun.values()].flatMap((all) => all.map((kept): Change => ({ is: "line", kept })));
    const seen = [...this.#seen].flatMap(([runId, identities]): Summary[] => {
      // Each line that is there says by itself that it was seen.
      if (identities.size === (this.#byRun.get(runId)?.length ?? 0)) return [];
      return [{ is: "seenLines", runId, identities: [...identities] }];
    });
    return [...lines, ...seen];
  }

  ofRun(runId: string, after: number, limitRows: number): { lines: LogLine[]; last: number | undefined } {
    const all = this.#byRun.get(runId) ?? [];
    const found = all.filter((kept) => kept.place > after).slice(0, limitRows);
    const fit = fittingRows(found, ({ line }) => utf8Bytes(line.text) + jsonBytes(line.fields), limits.logPageBytes);
    const page = found.slice(0, fit);
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
    let isLess = false;
    for (const [runId, lines] of this.#byRun) {
      const rest = lines.filter((kept) => kept.writtenAt >= moment);
      if (rest.length < lines.length) isLess = true;
      if (rest.length > 0) this.#byRun.set(runId, rest);
      else this.forgetRuns([runId]);
    }
    if (isLess) this.#note?.({ is: "linesForgotten", before: moment });
  }
}

function identityOf({ epoch, seq }: LogLine): string {
  return `${epoch}:${seq}`;
}
