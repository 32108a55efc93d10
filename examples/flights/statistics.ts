/**
 * Averages, and how far to trust them. A ranking of airports by 200 flights each is mostly luck, so every share in the
 * report carries an interval. The intervals are drawn with a seeded generator: the same flights give the same digits.
 */

import type { Flight } from "./records.ts";

/** A share of flights between 0 and 1 with its 95 % interval. */
export interface Share {
  readonly share: number;
  readonly low: number;
  readonly high: number;
}

/** What is said about any group of flights. */
export interface Punctuality {
  readonly flights: number;
  readonly onTime: Share;
  readonly meanDelayMinutes: number;
  readonly medianDelayMinutes: number;
}

/** The US Department of Transportation counts an arrival as on time when it is less than 15 minutes late. */
export const onTimeBelowMinutes = 15;

export function isOnTime(flight: Flight): boolean {
  return flight.delayMinutes < onTimeBelowMinutes;
}

/** The punctuality of a group. `seed` names the group; `resamples` is the price and the quality of its interval. */
export function punctuality(flights: readonly Flight[], options: { seed: string; resamples: number }): Punctuality {
  const delays = flights.map((flight) => flight.delayMinutes).sort((a, b) => a - b);
  return {
    flights: flights.length,
    onTime: bootstrapShare(
      flights.map((flight) => (isOnTime(flight) ? 1 : 0)),
      options,
    ),
    meanDelayMinutes: round(mean(delays), 2),
    medianDelayMinutes: quantile(delays, 0.5),
  };
}

/**
 * The share of ones, with the interval that holds the middle 95 % of the shares of resampled groups (the percentile
 * bootstrap). An empty group has share 0 and the interval that says nothing, 0 to 1.
 */
export function bootstrapShare(hits: readonly number[], options: { seed: string; resamples: number }): Share {
  const size = hits.length;
  if (size === 0) return { share: 0, low: 0, high: 1 };
  const values = Uint8Array.from(hits);
  const random = randomOf(options.seed);
  const shares = new Float64Array(options.resamples);
  for (let sample = 0; sample < options.resamples; sample++) {
    let count = 0;
    for (let i = 0; i < size; i++) count += values[Math.floor(random() * size)] ?? 0;
    shares[sample] = count / size;
  }
  shares.sort();
  return {
    share: round(mean(values), 4),
    low: round(quantile(shares, 0.025), 4),
    high: round(quantile(shares, 0.975), 4),
  };
}

/** 0 for nothing. */
export function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] ?? 0;
  return values.length === 0 ? 0 : sum / values.length;
}

/** The value below which `part` of the sorted values lie; the lower one of two. */
export function quantile(sorted: ArrayLike<number>, part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(part * (sorted.length - 1)))] ?? 0;
}

export function round(value: number, digits: number): number {
  const factor = 10 ** digits;
  // Adding 0 turns -0, which JSON cannot keep, into 0.
  return Math.round(value * factor) / factor + 0;
}

/** Numbers from 0 to 1, always the same ones for a name: FNV-1a makes the seed, mulberry32 the sequence. */
export function randomOf(name: string): () => number {
  let state = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) state = Math.imul(state ^ name.charCodeAt(i), 0x01000193);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
