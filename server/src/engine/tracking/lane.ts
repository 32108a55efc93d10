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
// Q5  A call that is not answered within `slowMs` leaves its place in its line to another, a quarter of the lane's calls at most. What failed
//     when it was asked last has a quarter of its line's calls: jobs that hang hold what else their server is asked for a moment, and once.
//     A failure of what was asked before the server's last answer does not count towards closing.

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
  /** The last call about it failed. */
  isSick: boolean;
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
/** So many that failed in a row are told apart. */
const failedSources = 1_000;
const lookTurns = 4;
const sickTurns = 4;
/** Longer than a service takes that is well. */
const slowMs = 2_000;
/** What slow calls may leave to others of a lane's calls, and what sick jobs have of a line's: a part of so many. */
const spareShare = 4;
const sickShare = 4;

export class Lane<T extends LaneItem> {
  readonly #options: LaneOptions<T>;
  readonly #lines = new Map<string, Line<T>>();
  /** Those with something to do. The next in turn is first. */
  readonly #waiting = new Set<Line<T>>();
  #calls = 0;
  #probes = 0;
  /** Slow calls that have left their places. */
  #spared = 0;

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
    if (this.#begin(item)) this.#lineOf(item.line).addAct(item);
  }

  /** A closed line may be asked again, or one with slow calls. */
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
    const { lineCalls, limitCalls, batchRows, clock } = this.#options;
    const isProbe = line.isClosed;
    if (isProbe && (line.calls > 0 || this.#probes >= Math.ceil(limitCalls / 2))) return false;
    if (clock.monotonicMs() < line.closedUntilMs || !this.#hasPlace(line)) return false;
    const sickCalls = Math.max(1, Math.floor(lineCalls / sickShare));
    const work = isProbe ? line.probe(batchRows) : line.next(batchRows, sickCalls);
    if (work === undefined) return false;
    this.#call(line, work, isProbe);
    return true;
  }

  /** Whether one more call may be made; where only slow calls are in the way, it is asked again when the next one is slow. */
  #hasPlace(line: Line<T>): boolean {
    const { lineCalls, limitCalls, clock, heap } = this.#options;
    if (line.placesTaken < lineCalls) return true;
    const oldest = line.oldest;
    if (oldest === undefined || this.#spared >= Math.floor(limitCalls / spareShare)) return false;
    if (clock.monotonicMs() < oldest.begunMs + slowMs) {
      if (line.place === -1) heap.set(line, oldest.begunMs + slowMs);
      return false;
    }
    oldest.isSpared = true;
    this.#spared += 1;
    return true;
  }

  #call(line: Line<T>, work: Work<T>, isProbe: boolean): void {
    const { clock, act, look } = this.#options;
    const call: Call = { begunMs: clock.monotonicMs(), isSick: work.isSick, isSpared: false };
    line.under.add(call);
    this.#calls += 1;
    this.#probes += isProbe ? 1 : 0;
    const called: Promise<CallOutcome | undefined> = "act" in work ? act(work.act) : look(work.looks);
    void called.then((outcome) => {
      line.under.delete(call);
      this.#calls -= 1;
      this.#probes -= isProbe ? 1 : 0;
      this.#spared -= call.isSpared ? 1 : 0;
      this.#judge(line, { work, begunMs: call.begunMs, outcome });
      this.pump();
    });
  }

  /** What a call tells of its line (Q3). */
  #judge(line: Line<T>, { work, begunMs, outcome }: Called<T>): void {
    const { clock, heap } = this.#options;
    const nowMs = clock.monotonicMs();
    if (outcome !== undefined) {
      for (const item of "act" in work ? [work.act] : work.looks) item.isSick = !outcome.reached;
      const counts = line.count(sourceOf(work), { reached: outcome.reached, begunMs, nowMs });
      if (counts || outcome.waitMs !== undefined) this.#close(line, outcome, nowMs);
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

type Work<T> = ({ readonly act: T } | { readonly looks: readonly T[] }) & { readonly isSick: boolean };

/** A call under way. */
interface Call {
  readonly begunMs: number;
  readonly isSick: boolean;
  isSpared: boolean;
}

interface Called<T> {
  readonly work: Work<T>;
  readonly begunMs: number;
  readonly outcome: CallOutcome | undefined;
}

/** What a call is about: an order, or the group that is looked at. */
function sourceOf<T extends LaneItem>(work: Work<T>): unknown {
  return "act" in work ? work.act : work.looks[0]?.group;
}

/** What a lane has to do at one server. */
export class Line<T extends LaneItem> implements Due {
  readonly lane: Lane<T>;
  readonly name: string;
  /** The calls under way, the oldest first. */
  readonly under = new Set<Call>();
  readonly #well = new LineQueue<T>(false);
  readonly #sick = new LineQueue<T>(true);
  /** What has failed since the last answer. */
  readonly #inRow = new Set<unknown>();
  #answeredMs = Number.NEGATIVE_INFINITY;
  #turns = 0;
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
    return this.#well.hasWork || this.#sick.hasWork;
  }

  get calls(): number {
    return this.under.size;
  }

  get placesTaken(): number {
    return [...this.under].filter(({ isSpared }) => !isSpared).length;
  }

  /** The oldest call that has its place. */
  get oldest(): Call | undefined {
    return [...this.under].find(({ isSpared }) => !isSpared);
  }

  /** Takes in whether a call was answered. Answers whether that says something of the server. */
  count(
    source: unknown,
    { reached, begunMs, nowMs }: { readonly reached: boolean; readonly begunMs: number; readonly nowMs: number },
  ): boolean {
    if (reached) {
      this.failures = 0;
      this.#inRow.clear();
      this.#answeredMs = nowMs;
      return true;
    }
    if (begunMs < this.#answeredMs) return false;
    if (this.isClosed || !this.#inRow.has(source)) this.failures += 1;
    if (this.#inRow.size < failedSources) this.#inRow.add(source);
    return true;
  }

  addAct(item: T): void {
    (item.isSick ? this.#sick : this.#well).acts.push(item);
  }

  addLook(item: T): void {
    (item.isSick ? this.#sick : this.#well).addLook(item);
  }

  /** What is next, without what was dropped meanwhile. */
  next(batchRows: number, sickCalls: number): Work<T> | undefined {
    const turn = this.#turns++;
    const isLooksTurn = turn % lookTurns === lookTurns - 1;
    const isSickFree = [...this.under].filter(({ isSick }) => isSick).length < sickCalls;
    if (!isSickFree) return this.#well.next(batchRows, isLooksTurn);
    const isSickTurn = turn % sickTurns === sickTurns - 2;
    const [first, second] = isSickTurn ? [this.#sick, this.#well] : [this.#well, this.#sick];
    return first.next(batchRows, isLooksTurn) ?? second.next(batchRows, isLooksTurn);
  }

  /** What did not fail when it was asked last, if there is any. */
  probe(batchRows: number): Work<T> | undefined {
    return this.#well.next(batchRows, false) ?? this.#sick.next(batchRows, false);
  }
}

/** What a line has to do about jobs that failed when they were asked last, or about those that did not. */
class LineQueue<T extends LaneItem> {
  readonly acts: T[] = [];
  readonly #groups = new Map<string, T[]>();
  readonly #isSick: boolean;

  constructor(isSick: boolean) {
    this.#isSick = isSick;
  }

  get hasWork(): boolean {
    return this.acts.length > 0 || this.#groups.size > 0;
  }

  addLook(item: T): void {
    const group = this.#groups.get(item.group);
    if (group === undefined) this.#groups.set(item.group, [item]);
    else group.push(item);
  }

  next(batchRows: number, isLooksTurn: boolean): Work<T> | undefined {
    return (isLooksTurn ? this.#nextLooks(batchRows) : undefined) ?? this.#nextAct() ?? this.#nextLooks(batchRows);
  }

  #nextAct(): Work<T> | undefined {
    for (let act = this.acts.shift(); act !== undefined; act = this.acts.shift()) {
      if (!act.isDropped) return { act, isSick: this.#isSick };
    }
    return undefined;
  }

  /** What is left of the group waits for its next turn. */
  #nextLooks(batchRows: number): Work<T> | undefined {
    for (const [name, items] of this.#groups) {
      const looks = items.splice(0, batchRows).filter(({ isDropped }) => !isDropped);
      this.#groups.delete(name);
      if (items.length > 0) this.#groups.set(name, items);
      if (looks.length > 0) return { looks, isSick: this.#isSick };
    }
    return undefined;
  }
}
