import type { Clock } from "../../clock.ts";
import type { Random } from "../../random.ts";
import type { Due, DueHeap } from "./due-heap.ts";
import { backOffMs } from "./pace.ts";

// The calls to one service by one connection. A *line* of it is one server (an HTTP tracker's jobs may be anywhere). What keeps one
// line from delaying another, and one lane from delaying another:
//
// Q1  A lane makes at most `limitCalls` calls at a time, a line of it at most `lineCalls`; lanes know nothing of each other.
// Q2  Lines take turns, and within a line so do groups: one with many jobs has one call in its turn, as has one with few.
// Q3  A line of which call after call fails is *closed* for a growing time, at once for as long as its service asks; then one call is
//     made and says whether it opens. What fails again counts once, and is asked last: a sick job says nothing of the others at its server.
//     Closed lines have at most half of the lane's calls, however many they are.
// Q4  Orders (submissions, cancels) go before looks, and every fourth turn is a look's, so that neither keeps the other from being done.

/** Something that its lane has to call about. */
export interface LaneItem extends Due {
  /** The server that is called; "": the connection's own. */
  readonly line: string;
  /** Items of the same group are looked at by one call. */
  readonly group: string;
  /** True from the moment that it is asked for until its call is over. */
  isAsked: boolean;
  /** Nobody wants anything of it any more. */
  isDropped: boolean;
}

/** `reached`: the service has said something about what it was asked. `waitMs`: how long it asks to be left alone. */
export interface CallOutcome {
  readonly reached: boolean;
  readonly waitMs?: number | undefined;
}

export interface LaneOptions<T extends LaneItem> {
  readonly clock: Clock;
  readonly random: Random;
  /** Where closed lines wait until they may be asked again; `open` is to be called then. */
  readonly heap: DueHeap<T | Line<T>>;
  readonly limitCalls: number;
  readonly lineCalls: number;
  /** Items of one call at most. */
  readonly batchRows: number;
  /** No calls are begun at present; `pump` is called when they may be. */
  readonly isHalted: () => boolean;
  /** Looks at items of one group. Never rejects. */
  readonly look: (items: readonly T[]) => Promise<CallOutcome>;
  /** Does what has to be done about one item; undefined: that tells nothing of the service. Never rejects. */
  readonly act: (item: T) => Promise<CallOutcome | undefined>;
}

/** So many failures in a row, each of another group or order, close a line. */
const closingFailures = 3;
/** So many that failed are remembered of a line. */
const failedSources = 1_000;
const lookTurns = 4;

export class Lane<T extends LaneItem> {
  readonly #options: LaneOptions<T>;
  readonly #lines = new Map<string, Line<T>>();
  /** Those with something to do. The next in turn is first. */
  readonly #waiting = new Set<Line<T>>();
  #calls = 0;
  #probes = 0;

  constructor(options: LaneOptions<T>) {
    this.#options = options;
  }

  /** Calls under way. */
  get calls(): number {
    return this.#calls;
  }

  /** Lines that are closed. */
  get closed(): number {
    return [...this.#lines.values()].filter(({ isClosed }) => isClosed).length;
  }

  /** Has the item looked at, with others of its group that are asked for meanwhile. */
  askLook(item: T): void {
    if (this.#begin(item)) this.#lineOf(item.line).addLook(item);
  }

  askAct(item: T): void {
    if (this.#begin(item)) this.#lineOf(item.line).acts.push(item);
  }

  /** A closed line may be asked again. */
  open(line: Line<T>): void {
    if (line.hasWork) this.#waiting.add(line);
    else if (line.calls === 0) this.#lines.delete(line.name);
  }

  /** Makes the calls that may be made now. */
  pump(): void {
    if (this.#options.isHalted()) return;
    for (let skipped = 0; skipped < this.#waiting.size && this.#calls < this.#options.limitCalls; ) {
      const [line] = this.#waiting;
      if (line === undefined) return;
      // To the end: the others are next.
      this.#waiting.delete(line);
      if (!line.hasWork) continue;
      this.#waiting.add(line);
      if (this.#start(line)) skipped = 0;
      else skipped += 1;
    }
  }

  #begin(item: T): boolean {
    if (item.isAsked || item.isDropped) return false;
    item.isAsked = true;
    return true;
  }

  #lineOf(name: string): Line<T> {
    let line = this.#lines.get(name);
    if (line === undefined) {
      line = new Line<T>(this, name);
      this.#lines.set(name, line);
    }
    this.#waiting.add(line);
    return line;
  }

  #start(line: Line<T>): boolean {
    const { lineCalls, limitCalls, batchRows, clock, act, look } = this.#options;
    const isProbe = line.isClosed;
    if (isProbe && (line.calls > 0 || this.#probes >= Math.ceil(limitCalls / 2))) return false;
    if (line.calls >= lineCalls || clock.monotonicMs() < line.closedUntilMs) return false;
    const work = isProbe ? line.probe(batchRows) : line.next(batchRows);
    if (work === undefined) return false;
    line.calls += 1;
    this.#calls += 1;
    this.#probes += isProbe ? 1 : 0;
    const called: Promise<CallOutcome | undefined> = "act" in work ? act(work.act) : look(work.looks);
    void called.then((outcome) => {
      line.calls -= 1;
      this.#calls -= 1;
      this.#probes -= isProbe ? 1 : 0;
      this.#judge(line, sourceOf(work), outcome);
      this.pump();
    });
    return true;
  }

  /** What a call tells of its line (Q3). */
  #judge(line: Line<T>, source: unknown, outcome: CallOutcome | undefined): void {
    const { clock, heap } = this.#options;
    const nowMs = clock.monotonicMs();
    if (outcome !== undefined) {
      line.count(source, outcome.reached);
      this.#close(line, outcome, nowMs);
    }
    if (line.closedUntilMs > nowMs) heap.set(line, line.closedUntilMs);
    else if (line.calls === 0 && !line.hasWork && line.place === -1 && !line.isClosed) this.#lines.delete(line.name);
  }

  #close(line: Line<T>, { reached, waitMs }: CallOutcome, nowMs: number): void {
    const { random } = this.#options;
    if (waitMs !== undefined) {
      line.failures = reached ? 0 : Math.max(line.failures, closingFailures);
      line.closedUntilMs = Math.max(line.closedUntilMs, nowMs + backOffMs(1, { retryAfterMs: waitMs }, random));
    } else if (line.isClosed) {
      const tries = line.failures - closingFailures + 1;
      line.closedUntilMs = Math.max(line.closedUntilMs, nowMs + backOffMs(tries, {}, random));
    }
  }
}

type Work<T> = { readonly act: T } | { readonly looks: readonly T[] };

/** What a call is about: an order, or the group that is looked at. */
function sourceOf<T extends LaneItem>(work: Work<T>): unknown {
  return "act" in work ? work.act : work.looks[0]?.group;
}

/** What a lane has to do at one server. */
export class Line<T extends LaneItem> implements Due {
  readonly lane: Lane<T>;
  readonly name: string;
  readonly acts: T[] = [];
  readonly #groups = new Map<string, T[]>();
  /** What failed when it was asked last, and what of it since the last answer. */
  readonly #failed = new Set<unknown>();
  readonly #inRow = new Set<unknown>();
  #turns = 0;
  calls = 0;
  failures = 0;
  closedUntilMs = Number.NEGATIVE_INFINITY;
  dueMs = 0;
  place = -1;

  constructor(lane: Lane<T>, name: string) {
    this.lane = lane;
    this.name = name;
  }

  get isClosed(): boolean {
    return this.failures >= closingFailures;
  }

  get hasWork(): boolean {
    return this.acts.length > 0 || this.#groups.size > 0;
  }

  /** Takes in whether a call was answered. */
  count(source: unknown, reached: boolean): void {
    if (reached) {
      this.failures = 0;
      this.#inRow.clear();
      this.#failed.delete(source);
      return;
    }
    if (this.isClosed || !this.#inRow.has(source)) this.failures += 1;
    if (this.#failed.size < failedSources) this.#failed.add(source);
    if (this.#inRow.size < failedSources) this.#inRow.add(source);
  }

  addLook(item: T): void {
    const group = this.#groups.get(item.group);
    if (group === undefined) this.#groups.set(item.group, [item]);
    else group.push(item);
  }

  /** What is next, without what was dropped meanwhile. */
  next(batchRows: number): Work<T> | undefined {
    const isLooksTurn = this.#turns++ % lookTurns === lookTurns - 1;
    return (isLooksTurn ? this.#nextLooks(batchRows) : undefined) ?? this.#nextAct() ?? this.#nextLooks(batchRows);
  }

  /** The same, of what did not fail when it was asked last, if there is any. */
  probe(batchRows: number): Work<T> | undefined {
    const at = this.acts.findIndex((act) => !act.isDropped && !this.#failed.has(act));
    if (at !== -1) {
      const [act] = this.acts.splice(at, 1);
      if (act !== undefined) return { act };
    }
    const healthy = [...this.#groups.keys()].find((name) => !this.#failed.has(name));
    return (healthy === undefined ? undefined : this.#looksOf(healthy, batchRows)) ?? this.next(batchRows);
  }

  #nextAct(): { readonly act: T } | undefined {
    for (let act = this.acts.shift(); act !== undefined; act = this.acts.shift()) if (!act.isDropped) return { act };
    return undefined;
  }

  #nextLooks(batchRows: number): { readonly looks: readonly T[] } | undefined {
    for (const name of this.#groups.keys()) {
      const looks = this.#looksOf(name, batchRows);
      if (looks !== undefined) return looks;
    }
    return undefined;
  }

  /** What is left of the group waits for its next turn. */
  #looksOf(name: string, batchRows: number): { readonly looks: readonly T[] } | undefined {
    const items = this.#groups.get(name) ?? [];
    const looks = items.splice(0, batchRows);
    this.#groups.delete(name);
    if (items.length > 0) this.#groups.set(name, items);
    const wanted = looks.filter(({ isDropped }) => !isDropped);
    return wanted.length > 0 ? { looks: wanted } : undefined;
  }
}
