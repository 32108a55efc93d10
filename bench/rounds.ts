import { randomUUID } from "node:crypto";
import { loadavg } from "node:os";
import { join } from "node:path";
import { createDatabase, dropDatabase } from "../test/postgres.ts";
import { AskedProcess } from "./asked-process.ts";
import { startDev } from "./dev-start.ts";
import { BesideHistory } from "./history/beside.ts";
import { makeFolder, removeFolder } from "./leftovers.ts";
import type { Measure, Metric, Row, StoreKind } from "./plan.ts";
import { quantile } from "./quantile.ts";
import type { Sizes } from "./subjects/subject.ts";

export interface RoundsOptions {
  readonly measures: readonly Measure[];
  readonly sizes: Sizes;
  readonly rounds: number;
  /** Options for the Node of the systems under measurement: `--cpu-prof`. */
  readonly execArgv?: readonly string[];
  /** Said as it goes. */
  readonly tell: (text: string) => void;
}

/** What one measure of one row answered in one round, or why it did not. */
export interface Sample {
  readonly measure: string;
  readonly title: string;
  readonly row: Row;
  readonly round: number;
  /** The machine's load average of the last minute when it began. */
  readonly load: number;
  readonly metrics: readonly Metric[];
  readonly failure?: string;
}

const warmUpRuns = 10;

/** Measures everything once a round, the systems in turn, so that a slow moment of the machine meets all of them. */
export async function measureRounds(options: RoundsOptions): Promise<Sample[]> {
  const beside = new BesideHistory(options.tell);
  try {
    return await measureAll(options, beside);
  } finally {
    await beside.close();
  }
}

async function measureAll(options: RoundsOptions, beside: BesideHistory): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    for (const measure of options.measures) {
      for (const row of measure.rows) {
        const load = loadavg()[0] ?? 0;
        const about = { measure: measure.id, title: measure.title, row, round, load };
        const name = `${measure.title}: ${row.system} on ${row.store}, ${row.setting}`;
        try {
          const metrics = await measureOnce(measure, row, options, beside);
          samples.push({ ...about, metrics });
          const said = metrics.map(saidOf).join(", ");
          options.tell(`round ${round}  ${name}: ${said}`);
        } catch (error) {
          const failure = error instanceof Error ? error.message : String(error);
          samples.push({ ...about, metrics: [], failure });
          options.tell(`round ${round}  ${name}: failed: ${failure}`);
        }
      }
    }
  }
  return samples;
}

async function measureOnce(
  measure: Measure,
  row: Row,
  options: RoundsOptions,
  beside: BesideHistory,
): Promise<Metric[]> {
  if (measure.ask === "dev") return startDev();
  const sizes = { ...options.sizes, ...row.sizes, ...measure.sizes };
  if (measure.ask === "history") return beside.measure(row.store, sizes.endedRuns, sizes.historyRepeats);
  const store = await newStore(row.store);
  try {
    const asked = await AskedProcess.open(row, store.address, options.execArgv);
    try {
      if (measure.ask !== "across") return metricsOf(measure, await asked.ask(measure.ask, sizes));
      const other = await AskedProcess.open(row, store.address, options.execArgv);
      try {
        await asked.ask("work", sizes);
        for (const latencyRuns of [warmUpRuns, sizes.latencyRuns]) await other.ask("submit", { ...sizes, latencyRuns });
        const delays = await asked.ask("takeDelays", { ...sizes, latencyRuns: warmUpRuns + sizes.latencyRuns });
        return metricsOf(measure, delays.slice(warmUpRuns));
      } finally {
        await other.close();
      }
    } finally {
      await asked.close();
    }
  } finally {
    await store.remove();
  }
}

function saidOf({ name, unit, value, alone }: Metric): string {
  return alone === undefined ? `${name} ${value.toPrecision(4)} ${unit}` : `${name} ${(value / alone).toFixed(2)} ×`;
}

async function newStore(kind: StoreKind): Promise<{ address: string; remove: () => Promise<void> }> {
  if (kind === "memory") return { address: "memory:", remove: async () => undefined };
  if (kind === "sqlite" || kind === "file" || kind === "own") {
    const folder = makeFolder("hf-bench-");
    const remove = async () => removeFolder(folder);
    if (kind === "own") return { address: folder, remove };
    if (kind === "file") return { address: `file:${join(folder, "kept")}`, remove };
    return { address: `sqlite:${join(folder, `${randomUUID().slice(0, 8)}.db`)}`, remove };
  }
  const address = await createDatabase();
  return { address, remove: () => dropDatabase(address) };
}

function metricsOf({ ask }: Measure, numbers: readonly number[]): Metric[] {
  switch (ask) {
    case "drain":
    case "enqueue":
    case "chains":
    case "steps":
      return [
        {
          name: ask === "chains" ? "workflows" : ask === "steps" ? "bodies" : "tasks",
          unit: "/s",
          value: numbers[0] ?? 0,
        },
        { name: "cpu of each", unit: "µs", value: numbers[1] ?? 0 },
      ];
    case "fan":
      return [{ name: "median", unit: "ms", value: quantile(numbers, 0.5) }];
    default:
      return [
        { name: "p50", unit: "ms", value: quantile(numbers, 0.5) },
        { name: "p99", unit: "ms", value: quantile(numbers, 0.99) },
      ];
  }
}
