import type { PollResult } from "@holdfast/protocol";

/** Does something for each value, a few at a time; results in the order of the values. */
export async function forEach<T, R>(values: readonly T[], atOnce: number, act: (value: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const waiting = values.entries();
  const work = async () => {
    for (const [index, value] of waiting) results[index] = await act(value);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, values.length) }, work));
  return results;
}

export interface ListedPoll<Ref> {
  readonly refs: readonly Ref[];
  /** Refs with the same group stand in the same listing. */
  readonly group: (ref: Ref) => string;
  /** From so many refs of a group on, its listing is read first. */
  readonly listFrom: number;
  /** What a listing shows, by whatever `id` makes of a ref. It may show less than there is. */
  readonly list: (one: Ref) => Promise<ReadonlyMap<string, PollResult>>;
  readonly id: (ref: Ref) => string;
  /** The one call that says for sure. */
  readonly get: (ref: Ref) => Promise<PollResult>;
}

const callsAtOnce = 8;

/**
 * Reads many jobs by a few listings, and one by one what they do not show: a listing may lag behind, so that what is missing in it is
 * never taken for gone. A listing that fails is left out, for each job's own call then says why.
 */
export async function pollByListing<Ref>(poll: ListedPoll<Ref>): Promise<PollResult[]> {
  const groups = Map.groupBy(poll.refs, poll.group);
  const listed = new Map<string, ReadonlyMap<string, PollResult>>();
  const long = [...groups].filter(([, refs]) => refs.length >= poll.listFrom);
  await forEach(long, callsAtOnce, async ([group, [first]]) => {
    if (first === undefined) return;
    const found = await poll.list(first).catch(() => undefined);
    if (found !== undefined) listed.set(group, found);
  });
  return await forEach(poll.refs, callsAtOnce, async (ref) => {
    return listed.get(poll.group(ref))?.get(poll.id(ref)) ?? (await poll.get(ref));
  });
}
