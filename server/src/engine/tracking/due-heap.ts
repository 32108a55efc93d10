/** Something that is due at a moment. `place` is the heap's: -1 while it is in none. */
export interface Due {
  dueMs: number;
  place: number;
}

/** What is due next among many: one array, however many they are, and each can be put elsewhere or taken out at any time. */
export class DueHeap<T extends Due> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** When the next one is due; undefined: nothing is in it. */
  get nextMs(): number | undefined {
    return this.#items[0]?.dueMs;
  }

  /** Puts it where it belongs at `dueMs`, whether it is in the heap or not. */
  set(item: T, dueMs: number): void {
    item.dueMs = dueMs;
    if (item.place === -1) {
      item.place = this.#items.length;
      this.#items.push(item);
    }
    this.#rise(item.place);
    this.#sink(item.place);
  }

  remove(item: T): void {
    const { place } = item;
    if (place === -1) return;
    item.place = -1;
    const last = this.#items.pop();
    if (last === undefined || last === item) return;
    this.#put(last, place);
    this.#rise(place);
    this.#sink(last.place);
  }

  /** Takes out the next one that is due by then. */
  take(untilMs: number): T | undefined {
    const first = this.#items[0];
    if (first === undefined || first.dueMs > untilMs) return undefined;
    this.remove(first);
    return first;
  }

  clear(): void {
    for (const item of this.#items) item.place = -1;
    this.#items.length = 0;
  }

  #rise(from: number): void {
    const item = this.#items[from];
    if (item === undefined) return;
    let place = from;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const other = this.#items[above];
      if (other === undefined || other.dueMs <= item.dueMs) break;
      this.#put(other, place);
      place = above;
    }
    this.#put(item, place);
  }

  #sink(from: number): void {
    const item = this.#items[from];
    if (item === undefined) return;
    let place = from;
    for (;;) {
      const left = this.#items[2 * place + 1];
      const right = this.#items[2 * place + 2];
      const sooner = right !== undefined && left !== undefined && right.dueMs < left.dueMs ? right : left;
      if (sooner === undefined || sooner.dueMs >= item.dueMs) break;
      const below = sooner.place;
      this.#put(sooner, place);
      place = below;
    }
    this.#put(item, place);
  }

  #put(item: T, place: number): void {
    this.#items[place] = item;
    item.place = place;
  }
}
