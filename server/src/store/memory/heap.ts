/** A binary heap: the entry that stands before all others is at the top. Entries that no longer hold are for the caller to skip. */
export class Heap<Entry> {
  readonly #before: (a: Entry, b: Entry) => boolean;
  readonly #entries: Entry[] = [];

  /** `before` is a strict order. */
  constructor(before: (a: Entry, b: Entry) => boolean) {
    this.#before = before;
  }

  get top(): Entry | undefined {
    return this.#entries[0];
  }

  /** All of them in no order. */
  get entries(): readonly Entry[] {
    return this.#entries;
  }

  /** All of them in order. */
  sorted(): Entry[] {
    return [...this.#entries].sort((a, b) => (this.#before(a, b) ? -1 : Number(this.#before(b, a))));
  }

  push(entry: Entry): void {
    const entries = this.#entries;
    let at = entries.length;
    entries.push(entry);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = entries[above];
      if (parent === undefined || !this.#before(entry, parent)) break;
      entries[at] = parent;
      at = above;
    }
    entries[at] = entry;
  }

  pop(): Entry | undefined {
    const top = this.#entries[0];
    const last = this.#entries.pop();
    if (this.#entries.length > 0 && last !== undefined) this.#sink(last);
    return top;
  }

  #sink(entry: Entry): void {
    const entries = this.#entries;
    let at = 0;
    for (;;) {
      const left = entries[2 * at + 1];
      if (left === undefined) break;
      const right = entries[2 * at + 2];
      const useRight = right !== undefined && this.#before(right, left);
      const child = useRight ? right : left;
      if (!this.#before(child, entry)) break;
      entries[at] = child;
      at = 2 * at + (useRight ? 2 : 1);
    }
    entries[at] = entry;
  }
}
