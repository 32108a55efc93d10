// The scenarios of state, as data: what is done, and what has to be seen, the same from each language and over HTTP (table.test.ts).

/** One thing that is done with state; a body carries it out (bodies.ts, bodies.py), or requests do (over-http.ts). */
export interface Act {
  readonly do:
    | "get"
    | "entry"
    | "list"
    | "set"
    | "delete"
    | "clear"
    | "increment"
    | "append"
    | "setIfMax"
    | "untilAbsent"
    | "isOwn"
    | "watermark"
    | "advance"
    | "emit"
    | "events";
  readonly of?: "task" | "asset";
  /** Which one; default `orders`, which its task writes. `uri`: the same by its URI. It reads `customers`, and declares no `secrets`. */
  readonly asset?: "customers" | "secrets" | "told" | "uri";
  readonly key?: string;
  /** `{ "$number": "NaN" }` stands for a number that JSON cannot say, `{ "$repeat": 9 }` for a text of so many characters. */
  readonly value?: unknown;
  readonly prefix?: string;
  /** What is told with a watermark; and the key of what is told alone. */
  readonly event?: unknown;
  readonly eventKey?: string;
  readonly ifVersion?: number;
  readonly retention?: unknown;
}

/** The asset that an act is of, among those of a task. */
export function assetName({ asset }: Act, task: string): string {
  if (asset === undefined) return `${task}-orders`;
  return asset === "uri" ? `s3://lake/${task}` : `${task}-${asset}`;
}

export const sides = ["TypeScript", "Python", "Python, asynchronous", "HTTP"] as const;
export type Side = (typeof sides)[number];

export interface Scenario {
  readonly id: string;
  readonly says: string;
  /** What is done; undefined: see `unfit`. */
  readonly first?: readonly Act[];
  readonly seen?: readonly unknown[];
  /** Done by the same run once it began again so, and what is seen then. */
  readonly again?: {
    readonly how: "retry" | "clear" | "resume";
    readonly acts: readonly Act[];
    readonly seen: readonly unknown[];
  };
  /** Done by another run of the task afterwards. */
  readonly other?: { readonly acts: readonly Act[]; readonly seen: readonly unknown[] };
  /** Keys of the run whose values do not lie in the store afterwards. */
  readonly elsewhere?: readonly string[];
  /** Sides for which the scenario does not apply, and why; `all`: for none it does. Or the test that shows it, as `FILE: NAME`. */
  readonly unfit?: Readonly<Partial<Record<Side | "all" | "bodies", string>>>;
}

const nan = { $number: "NaN" };
const infinity = { $number: "Infinity" };
const less = { $number: "-Infinity" };
const invalid = { refused: "invalid" };
const absent = { absent: true };
const denied = { refused: "denied" };
const people = "people have no task that declares anything: who has the server's token may see and change every asset";
const values = ["text", "3", 3, 0.5, true, [1, [null]], { a: { b: [] } }];
/** A value of the run and one of its task, whose key is the scenario's own. */
const kept = (id: string): readonly Act[] => [
  { do: "set", key: "a", value: 1 },
  { do: "set", of: "task", key: id, value: 1 },
];

export const scenarios: readonly Scenario[] = [
  { id: "TS-01", says: "a key that was never set is absent", first: [{ do: "get", key: "a" }], seen: [absent] },
  {
    id: "TS-02",
    says: "values come back identical, with their type",
    first: values.flatMap((value): Act[] => [
      { do: "set", key: "a", value },
      { do: "get", key: "a" },
    ]),
    seen: values.flatMap((value, index) => [{ version: index + 1 }, { value }]),
  },
  {
    id: "TS-03",
    says: "a second set replaces the first",
    first: [
      { do: "set", key: "a", value: 1 },
      { do: "set", key: "a", value: 2 },
      { do: "get", key: "a" },
      { do: "list" },
    ],
    seen: [{ version: 1 }, { version: 2 }, { value: 2 }, { keys: ["a"] }],
  },
  {
    id: "TS-04",
    says: "null is a value",
    first: [
      { do: "set", key: "a", value: null },
      { do: "get", key: "a" },
    ],
    seen: [{ version: 1 }, { value: null }],
  },
  {
    id: "TS-05",
    says: "NaN and the infinities are refused, also inside of values",
    first: [nan, infinity, less].flatMap((value): Act[] => [
      { do: "set", key: "a", value },
      { do: "set", key: "a", value: { deep: [value] } },
      { do: "append", key: "a", value },
      { do: "setIfMax", key: "a", value },
      { do: "increment", key: "a", value },
      { do: "list" },
    ]),
    seen: [0, 1, 2].flatMap(() => [invalid, invalid, invalid, invalid, invalid, { keys: [] }]),
  },
  {
    id: "TS-06",
    says: "an empty key is refused, and one that is too long",
    first: ["", "x".repeat(513)].flatMap((key): Act[] => [
      { do: "set", key, value: 1 },
      { do: "get", key },
      { do: "delete", key },
    ]),
    seen: [invalid, invalid, invalid, invalid, invalid, invalid],
  },
  {
    id: "TS-07",
    says: "a key with a slash is a key like any other",
    first: [
      { do: "set", key: "a/b", value: 1 },
      { do: "get", key: "a/b" },
      { do: "delete", key: "a/b" },
      { do: "get", key: "a/b" },
    ],
    seen: [{ version: 1 }, { value: 1 }, {}, absent],
  },
  {
    id: "TS-08",
    says: "a delete leaves the others, and of what is absent it is a success",
    first: [
      { do: "set", key: "a", value: 1 },
      { do: "set", key: "b", value: 1 },
      { do: "delete", key: "a" },
      { do: "delete", key: "c" },
      { do: "list" },
    ],
    seen: [{ version: 1 }, { version: 1 }, {}, {}, { keys: ["b"] }],
  },
  {
    id: "TS-09",
    says: "a clear takes all keys, or those of a prefix; of nothing it is a success",
    first: [
      ...["p/1", "p/2", "q"].map((key): Act => ({ do: "set", key, value: 1 })),
      ...([
        { do: "clear", prefix: "p/" },
        { do: "list" },
        { do: "clear" },
        { do: "list" },
        { do: "clear", prefix: "x" },
      ] as const),
    ],
    seen: [
      { version: 1 },
      { version: 1 },
      { version: 1 },
      { cleared: 2 },
      { keys: ["q"] },
      { cleared: 1 },
      { keys: [] },
      { cleared: 0 },
    ],
  },
  {
    id: "TS-10",
    says: "two runs of a task have the same key each for itself, as items of a map do; a clear of one leaves the other",
    first: [{ do: "set", key: "a", value: 1 }],
    seen: [{ version: 1 }],
    other: {
      acts: [{ do: "get", key: "a" }, { do: "set", key: "a", value: 2 }, { do: "clear" }],
      seen: [absent, { version: 1 }, { cleared: 1 }],
    },
  },
  {
    id: "TS-11",
    says: "one clear of all items of an expanded task",
    unfit: {
      all: "an item is a run with state of its own, and goes with it; what items share is their task's, cleared at once (TS-09)",
    },
  },
  {
    id: "TS-12",
    says: "an unknown run is not found; a body that is empty, or has a field too many, is refused",
    unfit: {
      bodies: "a body names no run",
      HTTP: "server/src/api/state.test.ts: nothing is written into what is not there, and no body that is not as it has to be",
    },
  },
  {
    id: "TS-13",
    says: "writing for a run that does not exist fails and creates nothing",
    unfit: {
      bodies: "a body names no run",
      HTTP: "server/src/api/state.test.ts: nothing is written into what is not there, and no body that is not as it has to be",
    },
  },
  {
    id: "TS-14",
    says: "nobody reaches the state of another run",
    unfit: {
      bodies:
        "server/src/operations/body-state.test.ts: a body reaches the state of its own run and task, and there is no way to name another",
      HTTP: "who has the server's token may see every run, as everywhere in the interface",
    },
  },
  {
    id: "TS-15",
    says: "retention: absent is as the kind says (of tasks two hours here), never stays, a duration ends then, anything else is refused",
    first: [
      ...[undefined, "never", 0, "1h"].flatMap((retention): Act[] => [
        { do: "set", key: "a", value: 1, ...(retention === undefined ? {} : { retention }) },
        { do: "entry", key: "a" },
      ]),
      ...["-1h", "soon", 5, "99999999d"].map((retention): Act => ({ do: "set", key: "a", value: 1, retention })),
      { do: "set", of: "task", key: "TS-15", value: 1 },
      { do: "entry", of: "task", key: "TS-15" },
      { do: "set", of: "task", key: "TS-15", value: 1, retention: "never" },
      { do: "entry", of: "task", key: "TS-15" },
    ],
    seen: [
      ...[null, null, null, 60].flatMap((expires, index) => [{ version: index + 1 }, { expires }]),
      ...[invalid, invalid, invalid, invalid],
      ...[120, null].flatMap((expires, index) => [{ version: index + 1 }, { expires }]),
    ],
  },
  {
    id: "TS-16",
    says: "what has expired is gone for readers before it is swept; a fresh key stays",
    first: [
      { do: "set", key: "fresh", value: 1, retention: "1h" },
      { do: "set", key: "short", value: 1, retention: "1ms" },
      { do: "untilAbsent", key: "short" },
      { do: "list" },
      { do: "increment", key: "short", value: 2 },
    ],
    seen: [{ version: 1 }, { version: 1 }, absent, { keys: ["fresh"] }, { value: 2 }],
  },
  {
    id: "TS-17",
    says: "the sweep deletes in bounded batches",
    unfit: {
      bodies: "bodies do not sweep: nodes do, and people may",
      HTTP: "server/src/api/state.test.ts: what has expired is not there for anybody, a sweep shows it and deletes it in batches, and the rest stays",
    },
  },
  {
    id: "TS-18",
    says: "a dry run lists and deletes nothing",
    unfit: {
      bodies: "bodies do not sweep: nodes do, and people may",
      HTTP: "server/src/api/state.test.ts: what has expired is not there for anybody, a sweep shows it and deletes it in batches, and the rest stays",
    },
  },
  {
    id: "TS-19",
    says: "a changed default leaves existing expiries",
    unfit: {
      all: "server/src/store/state-retention.test.ts: a value is kept as its kind says where its writer says nothing, and another default leaves it as it is",
    },
  },
  {
    id: "TS-20",
    says: "the next attempt reads what the one before set",
    first: kept("TS-20"),
    seen: [{ version: 1 }, { version: 1 }],
    again: { how: "retry", acts: [{ do: "get", key: "a" }], seen: [{ value: 1 }] },
  },
  {
    id: "TS-21",
    says: "a run that is deleted takes its state with it, and no other's",
    unfit: {
      all: "server/src/store/contract/state-steps.contract.ts: state goes with its run, and another run's and what is no run's stays",
    },
  },
  {
    id: "TS-22",
    says: "state that is cleared by success",
    unfit: { all: "there is no such option: a run's state goes with the run" },
  },
  {
    id: "TS-23",
    says: "a value over the limit is refused with the same error everywhere",
    first: [
      { do: "set", key: "a", value: { $repeat: 4 * 1024 * 1024 - 1 } },
      { do: "set", key: "a", value: { $repeat: 4 * 1024 * 1024 - 2 } },
      { do: "append", key: "b", value: { $repeat: 4 * 1024 * 1024 } },
      { do: "setIfMax", key: "a", value: 1 },
      { do: "list" },
    ],
    seen: [
      { refused: "limit_exceeded" },
      { version: 1 },
      { refused: "limit_exceeded" },
      { refused: "state_mismatch" },
      { keys: ["a"] },
    ],
  },
  {
    id: "TS-24",
    says: "a change of a value keeps its expiry",
    first: [
      { do: "set", key: "a", value: 1, retention: "1h" },
      { do: "increment", key: "a", value: 1 },
      { do: "entry", key: "a" },
    ],
    seen: [{ version: 1 }, { value: 2 }, { expires: 60 }],
  },
  {
    id: "TS-25",
    says: "only what is not there is absent: a value may say what it likes, and a refusal is told by its code",
    first: [
      { do: "set", key: "a", value: "NOT_FOUND" },
      { do: "get", key: "a" },
      { do: "increment", key: "a", value: 1 },
      { do: "set", key: "a", value: 1, ifVersion: 7 },
      { do: "delete", key: "a", ifVersion: 7 },
      { do: "get", key: "a" },
    ],
    seen: [
      { version: 1 },
      { value: "NOT_FOUND" },
      { refused: "state_mismatch" },
      { refused: "state_conflict" },
      { refused: "state_conflict" },
      { value: "NOT_FOUND" },
    ],
  },
  {
    id: "TS-26",
    says: "large values lie elsewhere, and nobody sees it",
    first: [
      { do: "set", key: "a", value: { $repeat: 200_000 } },
      { do: "get", key: "a" },
      { do: "set", key: "a", value: { $repeat: 200_000 } },
      { do: "set", key: "small", value: 1 },
      { do: "append", key: "list", value: { $repeat: 50_000 } },
      { do: "append", key: "list", value: { $repeat: 50_000 } },
      { do: "get", key: "list" },
      { do: "set", key: "short", value: { $repeat: 70_000 } },
      { do: "set", key: "short", value: "x", ifVersion: 1 },
      { do: "get", key: "short" },
      { do: "set", key: "gone", value: { $repeat: 70_000 } },
      { do: "delete", key: "gone" },
      { do: "get", key: "gone" },
      { do: "increment", key: "a", value: 1 },
      { do: "list" },
    ],
    seen: [
      { version: 1 },
      { value: "x".repeat(200_000) },
      { version: 2 },
      { version: 1 },
      { length: 1 },
      { length: 2 },
      { value: ["x".repeat(50_000), "x".repeat(50_000)] },
      { version: 1 },
      { version: 2 },
      { value: "x" },
      { version: 1 },
      {},
      absent,
      { refused: "state_mismatch" },
      { keys: ["a", "list", "short", "small"] },
    ],
    elsewhere: ["a", "list"],
  },
  {
    id: "TS-27",
    says: "items keep their own state when others come before them",
    unfit: {
      all: "test/state/items.test.ts: items keep their own state by their identity, whatever comes before them or is gone",
    },
  },
  {
    id: "TS-28",
    says: "an activation that has lost its run writes nothing",
    unfit: {
      bodies:
        "server/src/operations/body-state.test.ts: an activation whose run is another's writes nothing, and its successor's values stand",
      HTTP: "people have no activation",
    },
  },
  {
    id: "CL-01",
    says: "a retry goes on with the run's state and the task's",
    first: kept("CL-01"),
    seen: [{ version: 1 }, { version: 1 }],
    again: {
      how: "retry",
      acts: [
        { do: "get", key: "a" },
        { do: "get", of: "task", key: "CL-01" },
      ],
      seen: [{ value: 1 }, { value: 1 }],
    },
  },
  {
    id: "CL-02",
    says: "a clear begins without the run's state; the task's stays",
    first: kept("CL-02"),
    seen: [{ version: 1 }, { version: 1 }],
    again: {
      how: "clear",
      acts: [{ do: "list" }, { do: "get", of: "task", key: "CL-02" }],
      seen: [{ keys: [] }, { value: 1 }],
    },
  },
  {
    id: "CL-03",
    says: "a clear that resumes keeps the run's state",
    first: kept("CL-03"),
    seen: [{ version: 1 }, { version: 1 }],
    again: { how: "resume", acts: [{ do: "get", key: "a" }], seen: [{ value: 1 }] },
  },
  {
    id: "CL-04",
    says: "the same over every path",
    unfit: { all: "test/state/clears.test.ts: no cell is empty" },
  },
  {
    id: "CL-05",
    says: "a clear of a run that waits for a job ends that, acknowledged, before the fresh start",
    unfit: { all: "test/state/resumable.test.ts: a clear of a run that waits for a job ends that, acknowledged" },
  },
  {
    id: "CL-06",
    says: "a clear of a run that ended while its job goes on says so",
    unfit: { all: "test/state/resumable.test.ts: a clear of a run that ended while its job goes on says so" },
  },
  {
    id: "AS-01",
    says: "what one run writes of an asset another one reads",
    first: [
      { do: "set", key: "a", value: 1 },
      { do: "set", of: "asset", key: "AS-01", value: { rows: 3 } },
    ],
    seen: [{ version: 1 }, { version: 1 }],
    other: { acts: [{ do: "get", of: "asset", key: "AS-01" }], seen: [{ value: { rows: 3 } }] },
  },
  {
    id: "AS-02",
    says: "an asset that is only written is read as well; one that is read is not written",
    first: [
      { do: "set", of: "asset", key: "AS-02", value: 1 },
      { do: "get", of: "asset", key: "AS-02" },
      { do: "get", of: "asset", asset: "customers", key: "AS-02" },
      { do: "set", of: "asset", asset: "customers", key: "AS-02", value: 1 },
      { do: "emit", of: "asset", asset: "customers", value: 1 },
      { do: "advance", of: "asset", asset: "customers", key: "AS-02", value: 1 },
    ],
    seen: [{ version: 1 }, { value: 1 }, absent, denied, denied, denied],
    unfit: { HTTP: people },
  },
  {
    id: "AS-03",
    says: "who wrote a value is kept: the run, or nobody's run",
    first: [
      { do: "set", of: "asset", key: "AS-03", value: 1 },
      { do: "isOwn", of: "asset", key: "AS-03" },
    ],
    seen: [{ version: 1 }, { own: true }],
  },
  {
    id: "AS-04",
    says: "a clear of a run leaves what it wrote of an asset",
    first: [
      { do: "set", of: "asset", key: "AS-04", value: 1 },
      { do: "advance", of: "asset", key: "AS-04", value: "b" },
    ],
    seen: [{ version: 1 }, { changed: true, event: null }],
    again: {
      how: "clear",
      acts: [
        { do: "get", of: "asset", key: "AS-04" },
        { do: "watermark", of: "asset", key: "AS-04" },
      ],
      seen: [{ value: 1 }, { value: "b" }],
    },
  },
  {
    id: "AS-05",
    says: "an asset that nothing declares any more is not found, to read and to write, and what it has goes when it is deleted",
    unfit: {
      bodies:
        "server/src/operations/body-assets.test.ts: an asset that nothing declares any more is not found by those that begin",
      HTTP: "server/src/api/assets.test.ts: an asset that nothing declares any more is not found, keeps what it has, and can be deleted",
    },
  },
  {
    id: "AS-06",
    says: "name and URI are one asset",
    first: [
      { do: "set", of: "asset", asset: "uri", key: "AS-06", value: 1 },
      { do: "get", of: "asset", key: "AS-06" },
      { do: "advance", of: "asset", key: "AS-06", value: 1 },
      { do: "watermark", of: "asset", asset: "uri", key: "AS-06" },
    ],
    seen: [{ version: 1 }, { value: 1 }, { changed: true, event: null }, { value: 1 }],
  },
  {
    id: "AS-07",
    says: "watchers of assets write state",
    unfit: { all: "there are no watchers: what looks outside are trackers, which have no state" },
  },
  {
    id: "AS-08",
    says: "an asset that a task has not declared is denied to its body, by its name as by no other",
    first: (["get", "set", "watermark", "advance", "emit", "events"] as const).map((verb) => {
      return { do: verb, of: "asset", asset: "secrets", key: "a", value: 1 };
    }),
    seen: [denied, denied, denied, denied, denied, denied],
    unfit: { HTTP: people },
  },
  {
    id: "AS-09",
    says: "a watermark and the event about it are one; to what is not more it does not move, and tells nothing",
    first: [
      { do: "advance", of: "asset", asset: "told", key: "mark", value: ["2026-01-02", 7], event: { rows: 3 } },
      { do: "advance", of: "asset", asset: "told", key: "mark", value: ["2026-01-02", 7], event: { rows: 3 } },
      { do: "advance", of: "asset", asset: "told", key: "mark", value: ["2026-01-01", 9], event: { rows: 4 } },
      { do: "advance", of: "asset", asset: "told", key: "mark", value: 7 },
      { do: "emit", of: "asset", asset: "told", value: null, eventKey: "k" },
      { do: "emit", of: "asset", asset: "told", value: 1, eventKey: "k" },
      { do: "watermark", of: "asset", asset: "told", key: "mark" },
      { do: "events", of: "asset", asset: "told" },
    ],
    seen: [
      { changed: true, event: 1 },
      { changed: false, event: null },
      { changed: false, event: null },
      { refused: "state_mismatch" },
      { number: 2, existing: false },
      { number: 2, existing: true },
      { value: ["2026-01-02", 7] },
      {
        events: [
          [1, null, { rows: 3 }],
          [2, "k", null],
        ],
      },
    ],
  },
  {
    id: "AS-10",
    says: "of two who change a version of a value one is told that he is late",
    first: [
      { do: "set", of: "asset", key: "AS-10", value: 1, ifVersion: 0 },
      { do: "set", of: "asset", key: "AS-10", value: 2, ifVersion: 1 },
      { do: "set", of: "asset", key: "AS-10", value: 3, ifVersion: 1 },
      { do: "get", of: "asset", key: "AS-10" },
    ],
    seen: [{ version: 1 }, { version: 2 }, { refused: "state_conflict" }, { value: 2 }],
  },
];
