import {
  AppError,
  type ChangedState,
  changedStateSchema,
  type StateChangeRequest,
  type StatePageView,
  type StateTarget,
  type StateView,
  type SweepState,
  type SweptState,
  statePageSchema,
  stateViewSchema,
  sweptStateSchema,
} from "@holdfast/protocol";

/** Which values are listed; `after`: those whose keys come after this one. */
export interface StateListing {
  readonly prefix?: string;
  readonly after?: string;
  readonly limit?: number;
}

/** What people see and change of the state of runs and tasks. */
export interface StatePlane {
  /** In the order of keys. */
  list(target: StateTarget, query: StateListing): Promise<StatePageView>;
  /** Rejects with `not_found`. */
  get(target: StateTarget, key: string): Promise<StateView>;
  /** All of the changes or none. */
  change(target: StateTarget, ops: readonly StateChangeRequest[]): Promise<ChangedState>;
  /** Deletes all values, or those whose keys begin so. */
  clear(target: StateTarget, prefix?: string): Promise<{ readonly cleared: number }>;
  /** Deletes values whose time is over. */
  sweep(request: SweepState): Promise<SweptState>;
}

type Ask = <T>(question: {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | readonly string[] | undefined>>;
  readonly body?: unknown;
  readonly requestKey?: string;
  readonly answer: { parse(value: unknown): T };
}) => Promise<T>;

const cleared = {
  parse: (value: unknown): { readonly cleared: number } => {
    if (typeof value === "object" && value !== null && "cleared" in value) return { cleared: Number(value.cleared) };
    throw new TypeError("no count of what was cleared");
  },
};

/** The same over HTTP. */
export function stateOver(ask: Ask): StatePlane {
  const list = (target: StateTarget, query: StateListing) =>
    ask({ method: "GET", path: pathOf(target), query: { ...query }, answer: statePageSchema });
  return {
    list,
    get: async (target, key) => {
      // In a path these would be its steps.
      if (key === "." || key === "..") {
        const found = (await list(target, { prefix: key, limit: 1 })).values.find((view) => view.key === key);
        if (found !== undefined) return found;
        throw new AppError("not_found", `There is no "${key}" in the state of ${target.kind} ${target.id}.`);
      }
      return ask({ method: "GET", path: `${pathOf(target)}/${encodeURIComponent(key)}`, answer: stateViewSchema });
    },
    change: (target, ops) =>
      ask({
        ...{ method: "POST", path: pathOf(target), body: { ops }, answer: changedStateSchema },
        requestKey: crypto.randomUUID(),
      }),
    clear: (target, prefix) =>
      ask({
        method: "DELETE",
        path: pathOf(target),
        query: { prefix },
        requestKey: crypto.randomUUID(),
        answer: cleared,
      }),
    sweep: (body) => ask({ method: "POST", path: "/v1/state/sweep", body, answer: sweptStateSchema }),
  };
}

function pathOf({ kind, id }: StateTarget): string {
  return `/v1/${kind}s/${encodeURIComponent(id)}/state`;
}
