/** What the workflow in YAML takes from TypeScript beside the tasks of flights.ts: plain functions, typed by its file. */

import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { kept } from "./files.ts";
import type { Flight } from "./records.ts";
import { punctuality } from "./statistics.ts";

interface CleanedWeek {
  readonly week: string;
  readonly file: string;
  readonly records: number;
  readonly duplicates: number;
  readonly broken: number;
}

/** How punctual the flights of one cleaned week are. */
export async function summariseWeek({ cleaned }: { readonly cleaned: CleanedWeek }) {
  const flights = await kept<readonly Flight[]>(cleaned.file);
  const days = flights.map((flight) => flight.departure.slice(0, 10));
  return {
    ...cleaned,
    firstDay: days[0] ?? cleaned.week,
    lastDay: days.at(-1) ?? cleaned.week,
    ...punctuality(flights, { seed: cleaned.week, resamples: 10_000 }),
  };
}

/** Whether two reports are the same, byte for byte; null when there is no other. Throws when they differ. */
export async function agree({ report, other }: { readonly report: string; readonly other: string }) {
  const [ours, theirs] = [await readFile(report), await readFile(resolve(other)).catch(whenThere)];
  if (theirs === undefined) return { report, agrees: null };
  if (!ours.equals(theirs)) throw new Error(`${report} and ${resolve(other)} differ.`);
  return { report, agrees: true };
}

function whenThere(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}
