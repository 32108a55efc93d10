import type { Question, Sizes } from "./subjects/subject.ts";

// What is measured, of whom, and how much of it.

export type SystemName = "holdfast" | "graphile-worker" | "pg-boss" | "dbos" | "restate";
/** `own`: the system is a store itself; it gets a folder. */
export type StoreKind = "postgres" | "sqlite" | "file" | "memory" | "own";

/** One line of the answer: a system in one setting. */
export interface Row {
  readonly system: SystemName;
  readonly setting: string;
  readonly store: StoreKind;
  readonly concurrency: number;
  readonly isTuned: boolean;
  readonly inProcesses: boolean;
  readonly inPython?: boolean;
  /** Sizes of its own, where the shared ones would take for ever. */
  readonly sizes?: Partial<Sizes>;
}

export type Unit = "/s" | "ms" | "µs" | "MB";

/** A measured number, as it stands in the tables. */
export interface Metric {
  readonly name: string;
  readonly unit: Unit;
  readonly value: number;
  /** The same in a store where hardly anything has ended. */
  readonly alone?: number;
}

export interface Measure {
  readonly id: string;
  readonly title: string;
  /** What a subject is asked for; `across`: latency between two processes; `dev` and `history`: no subject. */
  readonly ask: Question | "across" | "dev" | "history";
  readonly rows: readonly Row[];
  readonly sizes?: Partial<Sizes>;
}

const postgres = { system: "holdfast", store: "postgres", isTuned: false, inProcesses: false } as const;
const inline: Row = { ...postgres, setting: "inline, defaults (8 at a time)", concurrency: 8 };
const wide: Row = { ...postgres, setting: "inline, 500 at a time", concurrency: 500, isTuned: true };
const fifty: Row = { ...postgres, setting: "inline, 50 at a time", concurrency: 50 };
const children: Row = { ...postgres, setting: "process, 8 children", concurrency: 8, inProcesses: true };
const pythons: Row = { ...children, setting: "process, 8 Python children", inPython: true };
const verbs: Row = { ...postgres, setting: "verb by verb", concurrency: 1 };
const onSqlite = (row: Row): Row => ({ ...row, store: "sqlite" });
const onFile = (row: Row): Row => ({ ...row, store: "file" });

const peer = { store: "postgres", inProcesses: false } as const;
const graphile: Row = {
  ...peer,
  system: "graphile-worker",
  setting: "defaults, 8 at a time",
  concurrency: 8,
  isTuned: false,
};
const graphileTuned: Row = {
  ...peer,
  system: "graphile-worker",
  setting: "local queue 500, no batch delays, 24 at a time",
  concurrency: 24,
  isTuned: true,
};
const boss: Row = {
  ...peer,
  system: "pg-boss",
  setting: "defaults (a poll each 2 s)",
  concurrency: 1,
  isTuned: false,
  sizes: { latencyRuns: 5, latencyGapMs: 2_300 },
};
const bossTuned: Row = {
  ...peer,
  system: "pg-boss",
  setting: "batches of 100, burst, LISTEN/NOTIFY",
  concurrency: 4,
  isTuned: true,
};

/** One, ten and fifty bodies at a time. */
function stepRows(): Row[] {
  return [1, 10, 50].flatMap((concurrency): Row[] => {
    const setting = `${concurrency} at a time`;
    const own: Row = { ...postgres, setting: `inline, ${setting}`, concurrency };
    const dbos: Row = { ...peer, system: "dbos", setting: `pool of 50, ${setting}`, concurrency, isTuned: true };
    const restate: Row = { ...dbos, system: "restate", setting: `4 partitions, ${setting}`, store: "own" };
    return [own, onSqlite(own), dbos, restate];
  });
}

/** All measures. `longHistory`: also beside ten million ended runs. */
export function allMeasures({ longHistory }: { readonly longHistory: boolean }): Measure[] {
  const histories = longHistory ? [100_000, 10_000_000] : [100_000];
  return [
    {
      id: "drain",
      title: "Drain of no-op tasks by one process",
      ask: "drain",
      rows: [inline, wide, onSqlite(wide), onFile(wide), graphile, graphileTuned, boss, bossTuned],
    },
    {
      id: "process-drain",
      title: "Drain through warm child processes, enqueuing included",
      ask: "drain",
      rows: [children, onSqlite(children), pythons, onSqlite(pythons)],
    },
    {
      id: "enqueue",
      title: "Enqueue by 10 callers, one task a call",
      ask: "enqueue",
      rows: [inline, onSqlite(inline), onFile(inline), graphile, boss],
    },
    {
      id: "latency",
      title: "Idle, enqueue to start, in the enqueuing process",
      ask: "latency",
      rows: [inline, children, onSqlite(inline), onSqlite(children), graphile, graphileTuned, boss, bossTuned],
    },
    {
      id: "across",
      title: "Idle, enqueue to start, from another process",
      ask: "across",
      rows: [inline, graphile, graphileTuned, bossTuned],
    },
    { id: "chains", title: "Chains of ten, 50 at a time", ask: "chains", rows: [fifty, onSqlite(fifty)] },
    { id: "fan", title: "Fan-out and join of 1,000", ask: "fan", rows: [wide, inline, onSqlite(wide)] },
    { id: "steps", title: "Bodies of ten durable steps", ask: "steps", rows: stepRows() },
    {
      id: "ticks",
      title: "1,000 schedules due in one second, tick to start",
      ask: "ticks",
      rows: [fifty, onSqlite(fifty)],
    },
    ...histories.map(
      (endedRuns): Measure => ({
        id: "history",
        title: `Beside ${endedRuns.toLocaleString("en")} ended runs`,
        ask: "history",
        rows: [verbs, onSqlite(verbs)],
        sizes: { endedRuns },
      }),
    ),
    { id: "dev", title: "holdfast dev, until it answers", ask: "dev", rows: [onSqlite(inline)] },
  ];
}

export const usualSizes: Sizes = {
  drainRuns: 30_000,
  drainMs: 8_000,
  enqueueRuns: 20_000,
  latencyRuns: 200,
  latencyGapMs: 10,
  chainRuns: 1_000,
  fanRuns: 5,
  processRuns: 5_000,
  schedules: 1_000,
  stepBodies: 60,
  endedRuns: 0,
  historyRepeats: 60,
};

/** For a first look: everything in about a minute. */
export const shortSizes: Sizes = {
  ...usualSizes,
  drainRuns: 5_000,
  drainMs: 2_000,
  enqueueRuns: 3_000,
  latencyRuns: 50,
  chainRuns: 100,
  fanRuns: 1,
  processRuns: 500,
  stepBodies: 20,
  historyRepeats: 10,
};
