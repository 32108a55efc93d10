import { randomUUID } from "node:crypto";
import { statSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import { openServices, type Services } from "../../server/src/main.ts";
import { createDatabase, dropDatabase } from "../../test/postgres.ts";
import { makeFolder, removeFolder } from "../leftovers.ts";
import type { Metric, StoreKind } from "../plan.ts";
import { fillStore } from "./filled-store.ts";
import { joinSide, leaveSide, type Side } from "./operations.ts";
import { compare } from "./side-by-side.ts";

// A store with hardly anything in it beside one with many ended runs, both open in this process, one on the same server or disk
// as the other. Filling takes minutes, so that a filled store serves all rounds.

const root = join(import.meta.dirname, "..", "definitions");
/** So many runs have ended in the store that stands for an empty one: every page of a list is full there, too. */
const aloneRuns = 1_000;
/** Not quite the retention, so that pruning has nothing to do. In a new store everything is of today. */
const days = { alone: 0, beside: 29 };

interface Place {
  readonly address: string;
  size(): Promise<number>;
  remove(): Promise<void>;
}

export class BesideHistory {
  readonly #filled = new Map<string, Promise<Place>>();
  readonly #tell: (text: string) => void;

  constructor(tell: (text: string) => void) {
    this.#tell = tell;
  }

  /** Each operation beside `endedRuns` and alone, and what the filled store takes on disk. */
  async measure(kind: StoreKind, endedRuns: number, repeats: number): Promise<Metric[]> {
    const name = `${kind} ${endedRuns}`;
    const filling = this.#filled.get(name) ?? this.#fill(kind, endedRuns);
    this.#filled.set(name, filling);
    const beside = await filling;
    const alone = await this.#fill(kind, aloneRuns);
    const sizeMB = (await beside.size()) / 1024 / 1024;
    const open: Services[] = [];
    try {
      const sides: Side[] = [];
      for (const { address } of [alone, beside]) {
        const services = await openServices({ address, role: "owner" });
        open.push(services);
        sides.push(await joinSide(services));
      }
      const [first, second] = sides;
      if (first === undefined || second === undefined) throw new Error("two stores are compared");
      const comparisons = await compare(first, second, repeats);
      for (const side of sides) await leaveSide(side);
      return [
        ...comparisons.map(({ operation, aloneMs, besideMs }) => {
          return { name: operation, unit: "ms", value: besideMs, alone: aloneMs } as const;
        }),
        { name: "on disk", unit: "MB", value: sizeMB },
      ];
    } finally {
      for (const services of open) await services.close();
      await alone.remove();
    }
  }

  async close(): Promise<void> {
    for (const filling of this.#filled.values()) await filling.then(({ remove }) => remove()).catch(() => undefined);
  }

  async #fill(kind: StoreKind, endedRuns: number): Promise<Place> {
    const place = kind === "postgres" ? await newDatabase() : newFile();
    const startedMs = performance.now();
    const isAlone = endedRuns <= aloneRuns;
    const tell = isAlone ? () => undefined : this.#tell;
    try {
      await fillStore(place.address, { root, endedRuns, days: isAlone ? days.alone : days.beside, tell });
    } catch (error) {
      await place.remove();
      throw error;
    }
    const seconds = Math.round((performance.now() - startedMs) / 1_000);
    tell(`${kind} holds ${endedRuns.toLocaleString("en")} ended runs after ${seconds} s`);
    return place;
  }
}

function newFile(): Place {
  const folder = makeFolder("hf-bench-");
  const path = join(folder, `${randomUUID().slice(0, 8)}.db`);
  const remove = async () => removeFolder(folder);
  return { address: `sqlite:${path}`, size: async () => statSync(path).size, remove };
}

async function newDatabase(): Promise<Place> {
  const address = await createDatabase();
  const size = async (): Promise<number> => {
    const sql = postgres(address, { max: 1, onnotice: () => {} });
    try {
      const [row] = await sql<{ bytes: number }[]>`select pg_database_size(current_database())::float8 as bytes`;
      return row?.bytes ?? 0;
    } finally {
      await sql.end();
    }
  };
  return { address, size, remove: () => dropDatabase(address) };
}
