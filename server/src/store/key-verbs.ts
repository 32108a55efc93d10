// What `Store` promises about keys of runs, beside what enqueueing does with them.

export interface KeyVerbs {
  /** Ids of the runs that a key names now, one for a definition at most; such a run may be past its retention and gone. */
  findKeyedRuns(args: { namespace: string; key: string; definitions: readonly string[] }): Promise<string[]>;
}
