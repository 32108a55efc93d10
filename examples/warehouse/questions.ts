/** What the warehouse is told and asked, in GoogleSQL; each text is one job. Sums are of whole numbers, so that their order leaves no trace. */

/** `warehouse.flights`: the published records once each, those that cannot be flights left out. */
export const tables = {
  dataset: "CREATE SCHEMA IF NOT EXISTS warehouse",
  flights: `
CREATE OR REPLACE TABLE warehouse.flights AS
SELECT DISTINCT PARSE_DATETIME('%Y/%m/%d %H:%M', TRIM(date)) AS departure, delay, distance, origin, destination
FROM published.flights
WHERE delay IS NOT NULL AND distance > 0 AND origin <> destination`,
} as const;

/** Less than so many minutes late is on time, for the US Department of Transportation. */
const isOnTime = "delay < @lateMinutes";

const overview = `
WITH ordered AS (
  SELECT *, ROW_NUMBER() OVER (ORDER BY delay) AS place, COUNT(*) OVER () AS total
  FROM warehouse.flights
)
SELECT
  COUNT(*) AS flights,
  COUNTIF(${isOnTime}) AS onTime,
  SUM(delay) AS delayMinutes,
  MAX(IF(place = DIV(total + 1, 2), delay, NULL)) AS medianMinutes,
  COUNT(DISTINCT origin) AS airports,
  COUNT(DISTINCT CONCAT(LEAST(origin, destination), GREATEST(origin, destination))) AS routes,
  FORMAT_DATETIME('%Y-%m-%d', MIN(departure)) AS firstDay,
  FORMAT_DATETIME('%Y-%m-%d', MAX(departure)) AS lastDay,
  (SELECT COUNT(*) FROM published.flights) AS records
FROM ordered`;

const hours = `
SELECT
  MOD(EXTRACT(DAYOFWEEK FROM departure) + 5, 7) AS weekday,
  EXTRACT(HOUR FROM departure) AS hour,
  COUNT(*) AS flights,
  COUNTIF(${isOnTime}) AS onTime
FROM warehouse.flights
GROUP BY 1, 2
ORDER BY 1, 2`;

const delays = `
SELECT LEAST(GREATEST(CAST(FLOOR(delay / 5) AS INT64) * 5, -30), 120) AS fromMinutes, COUNT(*) AS flights
FROM warehouse.flights
GROUP BY 1
ORDER BY 1`;

const airports = `
SELECT
  origin AS code,
  ANY_VALUE(city) AS city,
  COUNT(*) AS flights,
  COUNTIF(${isOnTime}) AS onTime,
  SUM(delay) AS delayMinutes,
  COUNT(DISTINCT destination) AS destinations
FROM warehouse.flights LEFT JOIN published.airports ON iata = origin
GROUP BY origin
ORDER BY flights DESC, code
LIMIT 20`;

const routes = `
WITH ends AS (
  SELECT LEAST(origin, destination) AS one, GREATEST(origin, destination) AS other, delay FROM warehouse.flights
)
SELECT one, other, COUNT(*) AS flights, COUNTIF(${isOnTime}) AS onTime, SUM(delay) AS delayMinutes
FROM ends
GROUP BY one, other
HAVING COUNT(*) >= @fewestFlights
ORDER BY COUNTIF(${isOnTime}) / COUNT(*), one, other
LIMIT 12`;

export const questions = { overview, hours, delays, airports, routes } as const;
export type Question = keyof typeof questions;
export const questionNames = Object.keys(questions) as Question[];

/** What the questions' parameters stand for. */
export const parameters: Readonly<Record<Question, Readonly<Record<string, number>>>> = {
  overview: { lateMinutes: 15 },
  hours: { lateMinutes: 15 },
  delays: {},
  airports: { lateMinutes: 15 },
  routes: { lateMinutes: 15, fewestFlights: 30 },
};

/** The answers, row by row. */
export interface Answers {
  readonly overview: readonly [Overview];
  readonly hours: readonly {
    readonly weekday: number;
    readonly hour: number;
    readonly flights: number;
    readonly onTime: number;
  }[];
  readonly delays: readonly { readonly fromMinutes: number; readonly flights: number }[];
  readonly airports: readonly (Group & {
    readonly code: string;
    readonly city: string | null;
    readonly destinations: number;
  })[];
  readonly routes: readonly (Group & { readonly one: string; readonly other: string })[];
}

interface Group {
  readonly flights: number;
  readonly onTime: number;
  readonly delayMinutes: number;
}

interface Overview extends Group {
  readonly medianMinutes: number;
  readonly airports: number;
  readonly routes: number;
  readonly firstDay: string;
  readonly lastDay: string;
  /** As published, before what is there twice was left out. */
  readonly records: number;
}
