import type { Tracking } from "@holdfast/protocol";
import type { JobNote, JobRow, WaitsOrder } from "../../server/src/core/index.ts";
import type { Store } from "../../server/src/store/store.ts";

// Points of external jobs: before and after everything about one that is written down, and around every call to its service.

type Pass = (point: string) => void;

/** What is said of a job, as its point is called; undefined: it has none. */
function noteName({ rows: [row] }: { readonly rows: readonly JobNote[] }): string | undefined {
  switch (row?.news.is) {
    case "ended":
      return row.news.status === "cancelled" ? "acknowledged" : "ended";
    case "calling":
    case "submitted":
    case "unknown":
    case "cancel_asked":
    case "observed":
      return row.news.is;
    default:
      return undefined;
  }
}

function opensJob({ rows }: { readonly rows: readonly WaitsOrder[] }): string | undefined {
  return rows.some(({ opens }) => opens.some(({ job }) => job !== undefined)) ? "open" : undefined;
}

/** The same store; `pass` is told of each point about external jobs, in the turn in which it is come to. */
export function pointedJobs(store: Store, pass: Pass): Store {
  const around = <Args, Answer>(
    verb: (args: Args) => Promise<Answer>,
    nameOf: (args: Args) => string | undefined,
  ): ((args: Args) => Promise<Answer>) => {
    return async (args) => {
      const name = nameOf(args);
      if (name !== undefined) pass(`${name}.before`);
      const answer = await verb.call(store, args);
      if (name !== undefined) pass(`${name}.after`);
      return answer;
    };
  };
  const own: Partial<Store> = {
    noteJobs: around((args) => store.noteJobs(args), noteName),
    openWaits: around((args) => store.openWaits(args), opensJob),
    claimJobs: async (args) => {
      const rows: JobRow[] = await store.claimJobs(args);
      if (rows.length > 0) pass("tracked.after");
      return rows;
    },
  };
  return new Proxy(store, {
    get: (target, name) => {
      const verb: unknown = Reflect.get(own, name) ?? Reflect.get(target, name, target);
      return typeof verb === "function" ? (verb.bind(target) as unknown) : verb;
    },
  });
}

const calls = { submit: "call", find: "find", poll: "look", cancel: "stop" } as const;

/** The same, with a point before each call to a service and one where its answer has come. */
export function pointedTracking(tracking: Tracking, pass: Pass): Tracking {
  return new Proxy(tracking, {
    get: (target, name) => {
      const verb: unknown = Reflect.get(target, name, target);
      if (typeof verb !== "function") return verb;
      const point = (calls as Readonly<Record<string, string>>)[String(name)];
      if (point === undefined) return verb.bind(target) as unknown;
      return async (asked: unknown) => {
        pass(`${point}.before`);
        const answer: unknown = await verb.call(target, asked);
        pass(`${point}.after`);
        return answer;
      };
    },
  });
}

/** Moments of a job that is started and comes to its end. */
export const submissionPoints = [
  "open.before",
  "open.after",
  "tracked.after",
  "calling.before",
  "calling.after",
  "call.before",
  "service.before",
  "service.after",
  "call.after",
  "submitted.before",
  "submitted.after",
  "look.before",
  "look.after",
  "observed.before",
  "observed.after",
  "ended.before",
  "ended.after",
] as const;

/** Moments of one that is cancelled. */
export const cancelPoints = [
  "cancel.before",
  "cancel.after",
  "stop.before",
  "stop.after",
  "cancel_asked.before",
  "cancel_asked.after",
  "acknowledged.before",
  "acknowledged.after",
] as const;

/** Moments that are come to only after a death in the middle of a submission: of a service that lists, and of one that does neither. */
export const doubtPoints = ["find.before", "find.after", "unknown.before", "unknown.after"] as const;
