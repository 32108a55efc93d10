/** Flight records: reading them, the week they belong to, and what makes one unfit. Nothing here touches a file. */

/** One flight as the pipeline keeps it. Times are local to the airport of departure. */
export interface Flight {
  /** Departure, `2001-02-25T18:40`. */
  readonly departure: string;
  /** Arrival against the timetable in minutes; early is negative. */
  readonly delayMinutes: number;
  readonly distanceMiles: number;
  readonly origin: string;
  readonly destination: string;
}

/** What cleaning kept, and what it left out and why. */
export interface Cleaned {
  readonly flights: readonly Flight[];
  /** The same record once more. The published extracts overlap, so there are many. */
  readonly duplicates: number;
  /** Records with a field that is missing, of the wrong kind, or impossible. */
  readonly broken: number;
}

const dayMs = 86_400_000;
const datePattern = /^\s*(\d{4})[/-](\d{2})[/-](\d{2})[ T](\d{2}):(\d{2})\s*$/;
const airportPattern = /^[A-Z0-9]{3}$/;

/** `2001/02/25 18:40` as `2001-02-25T18:40`; undefined if no such moment exists. */
export function readDeparture(text: unknown): string | undefined {
  const match = typeof text === "string" ? datePattern.exec(text) : null;
  if (!match) return undefined;
  const [, year, month, day, hour, minute] = match;
  const departure = `${year}-${month}-${day}T${hour}:${minute}`;
  const moment = new Date(`${departure}:00Z`);
  // A date that rolls over, such as 30 February, reads back as another one.
  return Number.isNaN(moment.getTime()) || !moment.toISOString().startsWith(departure) ? undefined : departure;
}

/** The ISO 8601 week of a departure, `2001-W09`. A week belongs to the year of its Thursday. */
export function weekOf(departure: string): string {
  const day = Date.parse(`${departure.slice(0, 10)}T00:00:00Z`);
  const thursday = day + (3 - weekdayOf(departure)) * dayMs;
  const year = new Date(thursday).getUTCFullYear();
  const week = 1 + Math.floor((thursday - Date.UTC(year, 0, 1)) / (7 * dayMs));
  return `${year}-W${String(week).padStart(2, "0")}`;
}

/** The Monday and the Sunday of an ISO week, as dates. */
export function daysOfWeek(week: string): { readonly monday: string; readonly sunday: string } {
  const year = Number(week.slice(0, 4));
  const firstThursday = Date.UTC(year, 0, 4) + (3 - weekdayOf(`${year}-01-04`)) * dayMs;
  const monday = firstThursday + ((Number(week.slice(6)) - 1) * 7 - 3) * dayMs;
  return { monday: dateOf(monday), sunday: dateOf(monday + 6 * dayMs) };
}

/** Monday is 0, Sunday is 6. */
export function weekdayOf(departure: string): number {
  return (new Date(`${departure.slice(0, 10)}T00:00:00Z`).getUTCDay() + 6) % 7;
}

/** Raw records by week, weeks in order. Records without a readable date belong to no week and are counted. */
export function splitByWeek(records: readonly unknown[]): {
  readonly weeks: ReadonlyMap<string, readonly unknown[]>;
  readonly undated: number;
} {
  const weeks = new Map<string, unknown[]>();
  let undated = 0;
  for (const record of records) {
    const departure = isRecord(record) ? readDeparture(record.date) : undefined;
    if (departure === undefined) undated++;
    else {
      const week = weekOf(departure);
      const sofar = weeks.get(week);
      if (sofar) sofar.push(record);
      else weeks.set(week, [record]);
    }
  }
  return { weeks: new Map([...weeks].sort(([a], [b]) => (a < b ? -1 : 1))), undated };
}

/** A raw record made whole and uniform, or undefined if it cannot be a flight. */
export function readFlight(record: unknown): Flight | undefined {
  if (!isRecord(record)) return undefined;
  const departure = readDeparture(record.date);
  const delayMinutes = record.delay;
  const distanceMiles = record.distance;
  const origin = readAirport(record.origin);
  const destination = readAirport(record.destination);
  if (departure === undefined || origin === undefined || destination === undefined) return undefined;
  if (typeof delayMinutes !== "number" || !Number.isFinite(delayMinutes)) return undefined;
  if (typeof distanceMiles !== "number" || !(distanceMiles > 0)) return undefined;
  if (origin === destination) return undefined;
  return { departure, delayMinutes, distanceMiles, origin, destination };
}

/** Drops broken and repeated records; the rest in order of departure, so that the order they came in leaves no trace. */
export function cleanRecords(records: readonly unknown[]): Cleaned {
  const kept = new Map<string, Flight>();
  let duplicates = 0;
  let broken = 0;
  for (const record of records) {
    const flight = readFlight(record);
    if (!flight) {
      broken++;
      continue;
    }
    const identity = JSON.stringify(flight);
    if (kept.has(identity)) duplicates++;
    else kept.set(identity, flight);
  }
  const flights = [...kept].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, flight]) => flight);
  return { flights, duplicates, broken };
}

function readAirport(value: unknown): string | undefined {
  const code = typeof value === "string" ? value.trim().toUpperCase() : "";
  return airportPattern.test(code) ? code : undefined;
}

function dateOf(moment: number): string {
  return new Date(moment).toISOString().slice(0, 10);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
