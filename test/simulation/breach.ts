/** A breach of a promise, in words. */
export class Breach extends Error {}

export function check(holds: boolean, text: string): asserts holds {
  if (!holds) throw new Breach(text);
}
