// What a body waits for, as a tree: leaves are waits with a key, above them `all` and `race`. A suspension is woken by groups of
// keys; a group that wakes a body too early costs a start, one that never wakes it would cost the run.

export type Outcome = { readonly value: unknown } | { readonly error: unknown };

export interface WaitNode {
  /** Undefined while it is open. */
  readonly outcome: Outcome | undefined;
  /** When it was over, among all waits of the body; 0 while it is open. */
  readonly rank: number;
  /** Groups of open keys: when all of any one have ended, it may be over. */
  groups(): string[][];
  /** The open waits in it. */
  leaves(): Leaf[];
  /** Somebody asks what comes of it, and of all that is in it. */
  noteAwaited(): void;
}

export class Leaf implements WaitNode {
  readonly key: string;
  outcome: Outcome | undefined;
  rank = 0;
  /** Whether anybody has asked what came of it. */
  isAwaited = false;

  constructor(key: string) {
    this.key = key;
  }

  groups(): string[][] {
    return this.outcome === undefined ? [[this.key]] : [];
  }

  leaves(): Leaf[] {
    return this.outcome === undefined ? [this] : [];
  }

  noteAwaited(): void {
    this.isAwaited = true;
  }
}

export class AllNode implements WaitNode {
  readonly #members: readonly WaitNode[];

  constructor(members: readonly WaitNode[]) {
    this.#members = members;
  }

  get outcome(): Outcome | undefined {
    const values: unknown[] = [];
    let failed: Outcome | undefined;
    for (const { outcome } of this.#members) {
      if (outcome === undefined) return undefined;
      if ("error" in outcome) failed ??= outcome;
      else values.push(outcome.value);
    }
    return failed ?? { value: values };
  }

  get rank(): number {
    return this.outcome === undefined ? 0 : Math.max(0, ...this.#members.map(({ rank }) => rank));
  }

  groups(): string[][] {
    const groups = this.#members.map((member) => member.groups()).filter((of) => of.length > 0);
    // A race among them may be over by one of several waits: then it wakes for each.
    if (groups.some((of) => of.length > 1)) return groups.flat();
    return groups.length === 0 ? [] : [groups.flat(2)];
  }

  leaves(): Leaf[] {
    return this.#members.flatMap((member) => member.leaves());
  }

  noteAwaited(): void {
    for (const member of this.#members) member.noteAwaited();
  }
}

export class RaceNode implements WaitNode {
  readonly key: string;
  readonly #members: ReadonlyMap<string, WaitNode>;
  /** The winner's name, once it is recorded. */
  winner: string | undefined;
  /** Why it could not be recorded. */
  failure: { readonly error: unknown } | undefined;
  /** The winner is on its way to the store. */
  isDeciding = false;

  constructor(key: string, members: ReadonlyMap<string, WaitNode>) {
    this.key = key;
    this.#members = members;
  }

  get outcome(): Outcome | undefined {
    if (this.failure !== undefined) return this.failure;
    const outcome = this.#won?.outcome;
    if (outcome === undefined || "error" in outcome) return outcome;
    return { value: { winner: this.winner, value: outcome.value } };
  }

  get rank(): number {
    return this.outcome === undefined ? 0 : (this.#won?.rank ?? 0);
  }

  /** Who is over first, while nobody is recorded; and what is open of the others. */
  leader(): { readonly name: string; readonly losers: readonly Leaf[] } | undefined {
    if (this.winner !== undefined || this.isDeciding || this.failure !== undefined) return undefined;
    const over = [...this.#members].filter(([, member]) => member.outcome !== undefined);
    const [first] = over.sort(([, a], [, b]) => a.rank - b.rank);
    if (first === undefined) return undefined;
    const losers = [...this.#members].filter(([name]) => name !== first[0]).flatMap(([, member]) => member.leaves());
    return { name: first[0], losers };
  }

  groups(): string[][] {
    if (this.isDeciding || this.outcome !== undefined) return [];
    const open = this.#won === undefined ? [...this.#members.values()] : [this.#won];
    return open.flatMap((member) => member.groups());
  }

  leaves(): Leaf[] {
    return [...this.#members.values()].flatMap((member) => member.leaves());
  }

  noteAwaited(): void {
    for (const member of this.#members.values()) member.noteAwaited();
  }

  get #won(): WaitNode | undefined {
    return this.winner === undefined ? undefined : this.#members.get(this.winner);
  }
}
