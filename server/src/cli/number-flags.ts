import { UsageError } from "./failures.ts";

/** The whole number of a flag. Throws UsageError. */
export function readNumber(flag: string, text: string, { min, max }: { min: number; max: number }): number {
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw new UsageError(`${flag} is "${text}".`, `Write a whole number from ${min} to ${max}.`);
}
