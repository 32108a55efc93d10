import type { Finish, RunRow } from "../../server/src/core/index.ts";
import type { EnqueueResult, FiringResult, ObligationNote, Store } from "../../server/src/store/store.ts";

// A store with points before and after its verbs: what a call is about to change, and what it has changed while nobody was
// told. It lies above the merging of calls, so that one strike falls between calls that travel together.

type Kinds = Map<string, Pick<RunRow, "kind" | "parentId">>;

interface Mark {
  readonly before?: (args: never, kinds: Kinds) => string | undefined;
  readonly after?: (args: never, answer: never, kinds: Kinds) => string | undefined;
}

function always(name: string): Mark {
  return { before: () => `${name}.before`, after: () => `${name}.after` };
}

/** What a finish means, by what follows and by what kind of run it is about. */
function meaning({ rows: [row] }: { rows: readonly Finish[] }, kinds: Kinds): string {
  const next = row?.next;
  if (row === undefined || next === undefined) return "nothing";
  if (next.outcome === "released") return "give-back";
  if (next.outcome === "lost") return "loss";
  if (next.outcome === "skipped") return "skip";
  if (next.to === "ready") return "retry";
  const run = kinds.get(row.runId);
  if (run !== undefined && run.kind !== "task") return "conclude";
  if (next.status === "failed") return "failure";
  return run?.parentId === null ? "success" : "release";
}

interface OnceAsked {
  readonly call: { readonly verb: string };
}

/** Verbs of control by the names of their points. */
const controls: Readonly<Record<string, string>> = {
  orderEnd: "cancel",
  forceEnds: "force",
  restartRuns: "restart",
  markRuns: "mark",
};

const marks: { readonly [Verb in keyof Store]?: Mark } = {
  enqueueRuns: {
    before: () => "enqueue.before",
    after: (_, answer: EnqueueResult[], kinds) => {
      for (const result of answer) if (result.outcome === "created") kinds.set(result.run.id, result.run);
      return "enqueue.after";
    },
  },
  claimRuns: {
    before: () => "claim.before",
    after: (_, answer: RunRow[], kinds) => {
      for (const run of answer) kinds.set(run.id, run);
      return answer.length > 0 ? "claim.after" : undefined;
    },
  },
  findScopes: { before: () => "bind.before" },
  commitSteps: always("step"),
  finishActivations: {
    before: (args, kinds) => `${meaning(args, kinds)}.before`,
    after: (args, _, kinds) => `${meaning(args, kinds)}.after`,
  },
  expandRuns: always("expand"),
  carryOutOnce: {
    before: ({ call }: OnceAsked) => (call.verb in controls ? `${controls[call.verb]}.before` : undefined),
    after: ({ call }: OnceAsked) => (call.verb in controls ? `${controls[call.verb]}.after` : undefined),
  },
  noteObligations: {
    after: ({ rows }: { rows: readonly ObligationNote[] }) =>
      rows.some(({ outcome }) => outcome === "met") ? "owed.met" : "owed.tried",
  },
  listOwed: { after: (_, answer: unknown[]) => (answer.length > 0 ? "cancelling.seen" : undefined) },
  openWaits: always("suspend"),
  fireSchedules: {
    before: () => "fire.before",
    after: (_, answer: FiringResult[]) =>
      answer.some(({ outcome }) => outcome === "fired") ? "fire.after" : undefined,
  },
  appendLogs: always("log"),
  wakeRuns: {
    before: () => "wake.before",
    after: (_, { woken }: { woken: number }) => (woken > 0 ? "wake.after" : undefined),
  },
  joinMember: always("join"),
  renewMember: always("renew"),
  judgeMembers: {
    before: () => "judge.before",
    after: (_, { taken }: { taken: number }) => (taken > 0 ? "judge.after" : undefined),
  },
  sequenceEvents: {
    before: () => "sequence.before",
    after: (_, { moved }: { moved: number }) => (moved > 0 ? "sequence.after" : undefined),
  },
};

/** The same store; `pass` is told of each point, in the turn in which it is come to. */
export function pointedStore(store: Store, pass: (point: string) => void): Store {
  const kinds: Kinds = new Map();
  return new Proxy(store, {
    get: (target, name: keyof Store) => {
      const verb: unknown = Reflect.get(target, name, target);
      if (typeof verb !== "function") return verb;
      const mark = marks[name];
      if (mark === undefined) return verb.bind(target) as unknown;
      return async (args: never) => {
        const before = mark.before?.(args, kinds);
        if (before !== undefined) pass(before);
        const answer: unknown = await verb.call(target, args);
        const after = mark.after?.(args, answer as never, kinds);
        if (after !== undefined) pass(after);
        return answer;
      };
    },
  });
}
