// The part of the store that remembers which objects there are with a state backend (docs/decisions/0034): large values of state, each
// under a name that its row has. A name is announced before anything is put there, and condemned before it is deleted; a transaction
// names only what is announced and not condemned, and holds the announcement against whoever would condemn it. No name comes again
// once it was condemned, for its end is chance: so a deletion that comes late deletes nothing that anybody named since.

/** What is to be put in place. */
export interface Announcement {
  /** The same for the same value under the same key of the same scope. */
  readonly ref: string;
  /** The name that it gets where none stands for its ref; never said twice. */
  readonly name: string;
  readonly bytes: number;
}

/** `stands`: a value names it at this moment, so that it was put in place. */
export interface Announced {
  readonly ref: string;
  readonly name: string;
  readonly stands: boolean;
}

/** An object that no value names. */
export interface LooseObject {
  readonly name: string;
  readonly bytes: number;
}

export interface ObjectVerbs {
  /** Answers for each ref the name under which its object lies, or is to be put. Its time of grace begins anew. */
  announceObjects(args: { rows: readonly Announcement[] }): Promise<Announced[]>;
  /**
   * Condemns objects that no value has named for `graceMs`, the longest first, at most `limitRows`, and answers them with those that are
   * condemned already: all these may be deleted, and then be forgotten. `dryRun`: condemns nothing and answers which these are. `more`:
   * some may be left.
   */
  condemnObjects(args: { graceMs: number; limitRows: number; dryRun?: boolean }): Promise<{
    objects: LooseObject[];
    more: boolean;
  }>;
  /** Forgets objects that are condemned, and have been deleted. */
  forgetObjects(args: { names: readonly string[] }): Promise<void>;
  /** Which of these names are announced or condemned: others may be deleted, for nobody will name them. */
  knownObjects(args: { names: readonly string[] }): Promise<string[]>;
}

/** An object as it is kept. `looseSince`: since when no value has named it, as far as is known; null: one does. */
export interface ObjectRow extends Announcement {
  readonly looseSince: number | null;
  readonly condemned: boolean;
}
