import { type Explained, isEnded, type Reason, type RunStatus, type Why } from "@holdfast/protocol";
import {
  isCleaningUp,
  isPauseGate,
  mayBeActive,
  type ObligationRow,
  type PauseRow,
  type RunRow,
} from "../core/index.ts";
import type { LimitView, MemberRow, Store, StoreDescription } from "../store/store.ts";
import { cleanUpReason } from "./clean-up-reason.ts";
import { endReason } from "./end-reason.ts";
import { brief, counted, lengthText, reason } from "./reason-texts.ts";
import type { Runs } from "./runs.ts";
import { jobReason, waitReason } from "./wait-reasons.ts";

// Why a run stands where it stands. A reason is a stored fact that somebody can look up; each names a cause without which the
// run would go on, and what removes it. Where a run waits for others, they are explained as well, and those that they wait for.

/** Runs that are named in one reason. */
const namedRuns = 5;
/** Runs that are explained beside the one that was asked for. */
const explainedRuns = 20;
/** Of a line at a limit so much is looked at. */
const lookedAtRuns = 1_000;

const live: readonly RunStatus[] = ["pending", "ready", "running", "waiting", "cancelling"];

type Moment = Pick<StoreDescription, "now" | "timedLeases">;

export interface ReasonsOptions {
  readonly store: Store;
  readonly runs: Runs;
  readonly namespace: string;
}

export class Reasons {
  readonly #store: Store;
  readonly #runs: Runs;
  readonly #namespace: string;

  constructor({ store, runs, namespace }: ReasonsOptions) {
    this.#store = store;
    this.#runs = runs;
    this.#namespace = namespace;
  }

  /** Throws `not_found` and `ambiguous_id`. */
  async explain(id: string): Promise<Why> {
    const moment = await this.#store.describe();
    const first = await this.#of(await this.#runs.row(id), moment);
    const causes: Explained[] = [];
    const seen = new Set([first.explained.run.id]);
    let { waitsFor: ahead, isCut } = first;
    while (ahead.length > 0 && causes.length < explainedRuns) {
      const fresh = [...new Map(ahead.map((run) => [run.id, run])).values()].filter((run) => !seen.has(run.id));
      const found = await Promise.all(
        fresh.slice(0, explainedRuns - causes.length).map((run) => this.#of(run, moment)),
      );
      for (const { explained } of found) seen.add(explained.run.id);
      causes.push(...found.map(({ explained }) => explained));
      isCut ||= found.some((cause) => cause.isCut);
      ahead = [...fresh.slice(found.length), ...found.flatMap(({ waitsFor }) => waitsFor)];
    }
    return { ...first.explained, causes, more: isCut || ahead.some((run) => !seen.has(run.id)) };
  }

  /** `isCut`: it waits for more runs than are answered. */
  async #of(run: RunRow, moment: Moment) {
    const { reasons, waitsFor = [], waitsForCount = 0 } = await this.#reasons(run, moment);
    const owed = isEnded(run.status) ? await this.#stillToEnd(run, moment) : [];
    const pauses = await this.#pauses(run, moment);
    const others = pauses.length === 0 ? reasons : reasons.filter(({ code }) => code !== "about_to_start");
    const explained: Explained = { run: brief(run), reasons: [...pauses, ...others, ...owed] };
    return { explained, waitsFor, isCut: waitsForCount > waitsFor.length };
  }

  async #reasons(
    run: RunRow,
    moment: Moment,
  ): Promise<{ reasons: Reason[]; waitsFor?: readonly RunRow[]; waitsForCount?: number }> {
    switch (run.status) {
      case "pending":
        return this.#pending(run);
      case "ready":
        return { reasons: await this.#ready(run, moment) };
      case "waiting":
        return run.waiting === null ? this.#waiting(run) : this.#bodyWaiting(run, moment);
      case "running":
        return { reasons: [await this.#running(run, moment)] };
      case "cancelling":
        return this.#cancelling(run, moment);
      case "succeeded":
      case "failed":
      case "cancelled":
      case "skipped":
        return { reasons: [await endReason(this.#store, run)] };
    }
  }

  async #pending(run: RunRow) {
    const upstreams = await this.#store.listUpstreams({ runId: run.id, limitRows: namedRuns });
    const message = `It waits for ${counted(run.blockedBy, "run")} before it.`;
    return {
      reasons: [reason({ code: "upstreams", message, runs: upstreams })],
      waitsFor: upstreams,
      waitsForCount: run.blockedBy,
    };
  }

  async #waiting(run: RunRow) {
    const children = await this.#childrenOf(run);
    const message = `It waits for ${counted(run.openChildren, "run")} below it.`;
    const reasons = [reason({ code: "children", message, runs: children })];
    return { reasons, waitsFor: children, waitsForCount: run.openChildren };
  }

  /** Each wait by itself: without it, the run goes on, or waits for fewer. */
  async #bodyWaiting(run: RunRow, { now }: Moment) {
    const waits = await this.#store.listWaits({ runId: run.id, limitRows: lookedAtRuns });
    const awaited = waits.filter(({ groups, epoch }) => groups.length > 0 && epoch === run.epoch);
    const calls = awaited.flatMap(({ childId }) => childId ?? []);
    const children = await this.#found(calls);
    const jobs = awaited.flatMap(({ jobId }) => jobId ?? []).slice(0, namedRuns);
    const found = (await Promise.all(jobs.map((id) => this.#store.findJob({ id })))).flatMap((job) => job ?? []);
    const outside = found.map((job) => jobReason(job, now));
    const isHeard = awaited.some(({ signal }) => signal !== null);
    const kept = isHeard ? await this.#store.listSignals({ runId: run.id, limitRows: lookedAtRuns }) : [];
    const others = awaited.flatMap((wait) => waitReason(run, wait, { now, kept }) ?? []).slice(0, namedRuns);
    const message = `It waits for ${counted(calls.length, "run")} that it called.`;
    const called = calls.length === 0 ? [] : [reason({ code: "children", message, runs: children })];
    return { reasons: [...called, ...outside, ...others], waitsFor: children, waitsForCount: calls.length };
  }

  async #running(run: RunRow, moment: Moment): Promise<Reason> {
    const member = (await this.#members()).find(({ id }) => id === run.claimedBy);
    const since = run.claimedAt === null ? "" : ` for ${lengthText(moment.now - run.claimedAt)}`;
    const where = member?.name ?? run.claimedBy ?? "";
    if (member !== undefined && !isHere(member, moment)) {
      const how = member.endedAt === null ? "that has not been heard of since its lease ran out" : "that has ended";
      const others = (await this.#members()).some((other) => isHere(other, moment) && other.serves !== null);
      return reason({
        code: "at_work",
        message: `Attempt ${run.attempt} ran on ${where}, a node ${how}; it is to start again.`,
        remedy: others
          ? "Another node takes it over within two leases."
          : "No node is running here. Start one: holdfast dev, or holdfast server.",
      });
    }
    return reason({ code: "at_work", message: `Attempt ${run.attempt} has been running on ${where}${since}.` });
  }

  async #cancelling(run: RunRow, moment: Moment) {
    const why = run.ending?.error.message ?? "";
    if (isCleaningUp(run)) {
      const members = (await this.#members()).filter((member) => isHere(member, moment));
      return { reasons: [cleanUpReason(run, members, moment.now)] };
    }
    if (run.claimedBy === null) {
      const children = await this.#childrenOf(run);
      const have = run.openChildren === 1 ? "has" : "have";
      const below = `${counted(run.openChildren, "run")} below it ${have} ended`;
      const message = `It ends once ${run.openChildren === 0 ? "its external jobs have ended" : below}. ${why}`.trim();
      const reasons = [reason({ code: "cancelling", message, runs: children })];
      return { reasons, waitsFor: children, waitsForCount: run.openChildren };
    }
    const member = (await this.#members()).find(({ id }) => id === run.claimedBy);
    const where = member?.name ?? run.claimedBy;
    const gone = member !== undefined && !isHere(member, moment);
    const how = gone ? "has not been heard of: another node takes it over" : "is ending its process";
    const [owed] = await this.#owedFor(run);
    const tried = owed === undefined ? "" : triesText(owed, moment.now);
    const remedy =
      owed?.error == null ? null : `holdfast runs cancel ${run.id} --force ends the run without waiting for it.`;
    return { reasons: [reason({ code: "cancelling", message: `${where} ${how}${tried}. ${why}`.trim(), remedy })] };
  }

  /** What still works for a run that was ended by force; of a root also what works for those below it. */
  async #stillToEnd(run: RunRow, { now }: Moment): Promise<Reason[]> {
    const owed = (await this.#owedFor(run)).slice(0, namedRuns);
    if (owed.length === 0) return [];
    const members = await this.#members();
    return owed.map((row) => {
      const where = members.find(({ id }) => id === row.memberId)?.name ?? row.memberId;
      const whose = row.runId === run.id ? "it" : row.runId;
      const message = `${where} is still ending a process that worked for ${whose}${triesText(row, now)}.`;
      const remedy = "What it says changes nothing any more. Stopping that node ends it.";
      return reason({ code: "still_to_end", message, remedy });
    });
  }

  /** Open obligations of a run; of a root those of its whole tree. */
  async #owedFor({ id, rootId, namespace }: RunRow): Promise<ObligationRow[]> {
    const rows = await this.#store.listObligations({ namespace, rootId, limitRows: lookedAtRuns });
    return rows.filter((row) => row.metAt === null && (id === rootId || row.runId === id));
  }

  /** Every pause that stands over a run keeps it, whatever else does; what runs already is not kept by any. */
  async #pauses(run: RunRow, { now }: Moment): Promise<Reason[]> {
    if (isEnded(run.status) || mayBeActive(run.status)) return [];
    return (await this.#store.findPauses({ runId: run.id })).map((pause) => paused(run, pause, now));
  }

  async #ready(run: RunRow, moment: Moment): Promise<Reason[]> {
    if (run.wakeAt !== null) return [putOff(run, run.wakeAt, moment.now)];
    // At a pause's gate: the pauses say it. Without any, it is let go in a moment.
    if (run.gate !== null) return isPauseGate(run.gate) ? [] : [await this.#inLine(run, run.gate, moment)];
    return [await this.#claimable(run, moment)];
  }

  async #claimable(run: RunRow, moment: Moment): Promise<Reason> {
    const ordered = run.parentId === null ? [] : await this.#spreadingIn(run);
    if (ordered.length > 0) {
      const message =
        "A cancel is on its way through the tree that it belongs to; until it is there, nothing of it starts.";
      return reason({ code: "order_on_its_way", message, runs: ordered });
    }
    return this.#unclaimed(run, moment);
  }

  async #inLine(run: RunRow, id: string, { now }: Moment): Promise<Reason> {
    const name = id.slice(this.#namespace.length + 1);
    const limit = await this.#store.findLimit({ id, limitRows: lookedAtRuns });
    const holders = await this.#found(limit?.holders.slice(0, namedRuns) ?? []);
    const place = limit?.standing.indexOf(run.id) ?? -1;
    const ahead = place < 0 ? `${lookedAtRuns} or more` : String(place);
    if (limit?.perMs === 0) return ofTurn(limit, { name, place, holders });
    if (limit?.perMs !== undefined) return ofRate({ ...limit, perMs: limit.perMs }, { name, place, holders, now });
    const slots = counted(limit?.slots ?? 0, "slot");
    const line = `${ahead} ${place === 1 ? "stands" : "stand"} before it.`;
    const message =
      limit?.slots === 0
        ? `It stands in line at ${name}, which has no slot at all: nothing passes until it is given some; ${line}`
        : `It stands in line at ${name}: ${slots}, all held; ${line}`;
    return reason({ code: "limit", message, remedy: roomAt(name), runs: holders });
  }

  async #unclaimed(run: RunRow, moment: Moment): Promise<Reason> {
    const nodes = (await this.#members()).filter((member) => isHere(member, moment) && member.serves !== null);
    if (nodes.length === 0) {
      const remedy = "Start one: holdfast dev, or holdfast server.";
      return reason({ code: "no_node", message: "It could start, but no node is running here.", remedy });
    }
    const serving = nodes.filter(
      ({ serves }) => serves?.queues === null || serves?.queues.includes(run.queue) === true,
    );
    if (serving.length === 0) {
      const message = `It could start, but none of the ${counted(nodes.length, "node")} serves its queue "${run.queue}".`;
      return reason({ code: "queue_unserved", message, remedy: `Start a node that serves the queue "${run.queue}".` });
    }
    const loads = await Promise.all(serving.map((member) => this.#load(member)));
    const free = loads.find(({ held, slots }) => held < slots);
    if (free !== undefined) {
      return reason({ code: "about_to_start", message: `${free.name} has a free slot and claims it in a moment.` });
    }
    const each = loads.slice(0, namedRuns).map(({ name, held, slots }) => `${name} ${held} of ${slots}`);
    const message = `It could start, but every node is at work on as much as it may: ${each.join(", ")}.`;
    const remedy = "Let something end, start another node, or raise --concurrency; a higher priority is claimed first.";
    return reason({ code: "nodes_busy", message, remedy, runs: await this.#found(loads.flatMap(({ runs }) => runs)) });
  }

  async #load({ id, name, serves }: MemberRow) {
    const slots = serves?.slots ?? 0;
    const held = await this.#store.listClaimed({ memberId: id, limitRows: slots });
    return { name, slots, held: held.length, runs: held.slice(0, namedRuns).map(({ runId }) => runId) };
  }

  /** Runs of the same tree whose order to end has not reached everything below them. */
  async #spreadingIn({ namespace, rootId }: RunRow): Promise<RunRow[]> {
    const filter = { namespace, rootsOnly: false, statuses: ["cancelling"] as const, limitRows: lookedAtRuns };
    const { runs } = await this.#store.listRuns(filter);
    return runs.filter((run) => run.rootId === rootId && run.spreading).slice(0, namedRuns);
  }

  async #childrenOf(run: RunRow): Promise<RunRow[]> {
    const filter = { namespace: run.namespace, parentId: run.id, rootsOnly: false, statuses: live };
    return (await this.#store.listRuns({ ...filter, limitRows: namedRuns })).runs;
  }

  async #found(ids: readonly string[]): Promise<RunRow[]> {
    const rows = await Promise.all(ids.slice(0, namedRuns).map((id) => this.#store.findRun({ id })));
    return rows.filter((row) => row !== undefined);
  }

  /** How many nodes are surely there. Where leases are not timed, rows of a process that was killed stay until the next boot. */
  async nodes(): Promise<number> {
    const [members, moment] = await Promise.all([this.#members(), this.#store.describe()]);
    if (!moment.timedLeases) return 0;
    return members.filter((member) => isHere(member, moment) && member.serves !== null).length;
  }

  #members(): Promise<MemberRow[]> {
    return this.#store.listMembers({ namespace: this.#namespace });
  }
}

/** Keys take turns: so many of this one may start, and the run is not among them yet. */
function ofTurn(limit: LimitView, { name, place, holders }: InLine): Reason {
  const [first] = holders;
  const message = `It waits for its turn at ${name}: ${counted(limit.slots, "run")} of its key may start before it, and ${aheadText(place)}.`;
  const ahead = first === undefined ? "" : ` What keeps those: holdfast why ${first.id}.`;
  return reason({ code: "turn", message, remedy: `Wait, or cancel those before it.${ahead}`, runs: holders });
}

interface InLine {
  readonly name: string;
  /** In line; negative: too far behind to be seen. */
  readonly place: number;
  readonly holders: readonly RunRow[];
}

function aheadText(place: number): string {
  const ahead = place < 0 ? `${lookedAtRuns} or more` : String(place);
  return `${ahead} ${place === 1 ? "stands" : "stand"} before it in line`;
}

function ofRate(
  { slots, perMs, starts = [] }: LimitView & { readonly perMs: number },
  { name, place, holders, now }: InLine & { readonly now: number },
): Reason {
  const made = `${counted(slots, "start")} in ${lengthText(perMs)}`;
  const ahead = place < 0 ? `${lookedAtRuns} or more` : String(place);
  const before = `${ahead} ${place === 1 ? "stands" : "stand"} before it`;
  const [first] = starts;
  const when = first === undefined ? "those that may start have not" : `next start in ${lengthText(first - now)}`;
  // Each start that is over lets in one of the line.
  const at = starts[place];
  const until = at === undefined ? null : new Date(at).toISOString();
  const message = `It stands in line at ${name}: ${made}; ${when}; ${before}.`;
  const remedy = `Wait, or raise the limit of ${name}; a higher priority stands further in front.`;
  return reason({ code: "rate", message, remedy, runs: holders, until });
}

/** What gives a limit room. */
function roomAt(name: string): string {
  // Runs of a schedule that take turns; nobody sets how many.
  if (name.startsWith("schedule/"))
    return 'Let the run before it end, or cancel it; with overlap: "allow" the schedule does not wait for it.';
  const [, definition] = /^key\/([^:]*):/.exec(name) ?? [];
  const more = definition === undefined ? `give ${name} more slots` : `raise the concurrency of "${definition}"`;
  return `Let a holder end, cancel it, or ${more}; a higher priority stands further in front.`;
}

function isHere({ endedAt, leaseUntil }: MemberRow, { now, timedLeases }: Moment): boolean {
  return endedAt === null && (!timedLeases || leaseUntil > now);
}

function triesText({ tries, orderedAt, lastTryAt, error }: ObligationRow, now: number): string {
  if (lastTryAt === null) return "";
  const times = tries > 1 ? `, told ${tries} times` : "";
  const last = error === null ? "" : `, last ${lengthText(now - lastTryAt)} ago`;
  return `: told to end ${lengthText(now - orderedAt)} ago${times}${last}`;
}

function paused({ id }: RunRow, { kind, name, since, reason: why }: PauseRow, now: number): Reason {
  const what = kind === "run" ? (name === id ? "It" : `The run ${name} that it belongs to`) : `The ${kind} "${name}"`;
  const said = why === null ? "" : `: ${why}`;
  const message = `${what} has been paused for ${lengthText(now - since)}${said}.`.replace(/([.!?])\.$/, "$1");
  return reason({ code: "paused", message, remedy: `holdfast ${kind}s resume ${name}` });
}

function putOff(run: RunRow, wakeAt: number, now: number): Reason {
  const until = new Date(wakeAt).toISOString();
  const left = wakeAt > now ? `in ${lengthText(wakeAt - now)}` : "now";
  if (run.error !== null) {
    const message = `Attempt ${run.attempt} starts ${left}; the one before failed: ${run.error.message}`;
    return reason({ code: "retry_delay", message, until });
  }
  return reason({ code: "start_after", message: `It was asked to start at ${until}, ${left}.`, until });
}
