import type postgres from "postgres";
import { type Parameter, plannerSettings, type Runner } from "./session.ts";

interface PlanNode {
  readonly "Node Type": string;
  readonly "Relation Name"?: string;
  readonly "Index Name"?: string;
  readonly "Actual Rows": number;
  readonly "Actual Loops": number;
  readonly "Rows Removed by Filter"?: number;
  readonly "Rows Removed by Index Recheck"?: number;
  readonly Plans?: readonly PlanNode[];
}

/** What a statement read: rows of tables that its scans visited, and how. */
export interface Visits {
  readonly rows: number;
  readonly scans: ReadonlySet<string>;
}

/** Carries out statements of the store's functions under EXPLAIN ANALYZE, without keeping what they do. They answer no rows. */
export class PlanProbe implements Runner {
  readonly #sql: postgres.ReservedSql;
  readonly #visits = new Map<string, Visits>();

  /** `plans`: as a prepared statement is planned at first (custom) or after some calls (generic). */
  constructor(sql: postgres.ReservedSql) {
    this.#sql = sql;
  }

  /** Planner settings are those of the store's sessions. */
  async prepare(settings: string, plans: "generic" | "custom"): Promise<void> {
    await this.#sql.unsafe(`${settings}; set plan_cache_mode = force_${plans}_plan`);
  }

  async run<Row extends object>(name: string, text: string, parameters: readonly Parameter[] = []): Promise<Row[]> {
    const values = parameters.map((value) => (value === null ? "null" : `'${String(value).replaceAll("'", "''")}'`));
    await this.#sql.unsafe(`begin; prepare probe as ${text}`);
    const call = values.length === 0 ? "probe" : `probe(${values.join(", ")})`;
    const [row] = await this.#sql.unsafe(`explain (analyze, format json) execute ${call}`);
    await this.#sql.unsafe("rollback; deallocate probe");
    const [explained] = (row?.["QUERY PLAN"] ?? []) as { readonly Plan: PlanNode }[];
    if (explained === undefined) throw new Error(`${name} has no plan`);
    this.#visits.set(name, visitsOf(explained.Plan));
    return [];
  }

  /** What the last statement of this name read. */
  of(name: string): Visits {
    const visits = this.#visits.get(name);
    if (visits === undefined) throw new Error(`${name} has not been carried out`);
    return visits;
  }

  get names(): string[] {
    return [...this.#visits.keys()];
  }
}

function visitsOf(plan: PlanNode): Visits {
  let rows = 0;
  const scans = new Set<string>();
  const visit = (node: PlanNode) => {
    const table = node["Relation Name"];
    if (node["Node Type"].endsWith("Scan") && (table !== undefined || node["Index Name"] !== undefined)) {
      const removed = (node["Rows Removed by Filter"] ?? 0) + (node["Rows Removed by Index Recheck"] ?? 0);
      rows += (node["Actual Rows"] + removed) * node["Actual Loops"];
      if (node["Actual Loops"] > 0) scans.add(node["Index Name"] ?? `${node["Node Type"]} of ${table}`);
    }
    for (const child of node.Plans ?? []) visit(child);
  };
  visit(plan);
  return { rows, scans };
}

/** What statements visit by the name of each and how it was planned. */
export type VisitsByName = ReadonlyMap<string, Visits>;

/**
 * Carries statements out in a store that is nearly empty, beside many rows (`crowd` puts them there), and once these tables have been
 * vacuumed; each as it is planned at first and later.
 */
export async function visitsBeside(
  database: postgres.Sql,
  {
    carryOut,
    crowd,
    tables,
  }: {
    readonly carryOut: (probe: PlanProbe) => Promise<VisitsByName>;
    readonly crowd: () => Promise<void>;
    readonly tables: readonly string[];
  },
): Promise<{ readonly alone: VisitsByName; readonly crowded: VisitsByName; readonly vacuumed: VisitsByName }> {
  const sql = await database.reserve();
  const probe = new PlanProbe(sql);
  const measure = async () => {
    const measured = new Map<string, Visits>();
    for (const plans of ["custom", "generic"] as const) {
      await probe.prepare(plannerSettings, plans);
      for (const [name, visits] of await carryOut(probe)) measured.set(`${name} (${plans})`, visits);
    }
    return measured;
  };
  try {
    const alone = await measure();
    await crowd();
    const crowded = await measure();
    await database.unsafe(`vacuum analyze ${tables.map((table) => `holdfast.${table}`).join(", ")}`);
    return { alone, crowded, vacuumed: await measure() };
  } finally {
    sql.release();
  }
}
