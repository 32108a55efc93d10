import type { Clock } from "../clock.ts";

/** One of many that are to be worked on. */
export interface Piece<Answer> {
  /** Says the work and its subject's version: what is under way under an id is not begun again. */
  readonly id: string;
  /** Pieces that are likely to take long together. */
  readonly group: string;
  readonly work: () => Promise<Answer>;
}

interface UnderWay<Answer> {
  readonly group: string;
  /** There once it is done. */
  end?: { readonly answer: Answer } | { readonly error: unknown };
}

export interface PatientWorkOptions {
  readonly clock: Pick<Clock, "sleep">;
  /** How long a call waits for what it has begun. */
  readonly waitMs?: number;
}

/** Of one group: while so many take long, no more are begun. */
const mostOfGroup = 100;

/**
 * Work on many of which some takes long, say since a pattern in a schema does: those that are done in a moment are answered by
 * the call that asks for them, the others go on beside it and are answered by a later one. So what is slow delays nobody else.
 */
export class PatientWork<Answer> {
  readonly #clock: Pick<Clock, "sleep">;
  readonly #waitMs: number;
  readonly #underWay = new Map<string, UnderWay<Answer>>();

  constructor({ clock, waitMs = 250 }: PatientWorkOptions) {
    this.#clock = clock;
    this.#waitMs = waitMs;
  }

  /** How many have been begun and not been answered yet. */
  get size(): number {
    return this.#underWay.size;
  }

  /**
   * Begins what is not under way, and answers what is done, by its id. What has been begun and is not asked for any more is forgotten
   * when it is done. Throws what a piece has thrown; the others are there for the next call.
   */
  async take(pieces: readonly Piece<Answer>[]): Promise<ReadonlyMap<string, Answer>> {
    const wanted = new Set(pieces.map(({ id }) => id));
    for (const [id, { end }] of this.#underWay) if (end !== undefined && !wanted.has(id)) this.#underWay.delete(id);
    await this.#begin(pieces);
    const answers = new Map<string, Answer>();
    for (const { id } of pieces) {
      const end = this.#underWay.get(id)?.end;
      if (end === undefined || "answer" in end) continue;
      this.#underWay.delete(id);
      throw end.error;
    }
    for (const { id } of pieces) {
      const end = this.#underWay.get(id)?.end;
      if (end === undefined || !("answer" in end)) continue;
      this.#underWay.delete(id);
      answers.set(id, end.answer);
    }
    return answers;
  }

  /** Begins pieces, and waits a moment for them. */
  async #begin(pieces: readonly Piece<Answer>[]): Promise<void> {
    const slow = new Map<string, number>();
    for (const { group } of this.#underWay.values()) slow.set(group, (slow.get(group) ?? 0) + 1);
    const fresh = pieces.filter(({ id, group }) => !this.#underWay.has(id) && (slow.get(group) ?? 0) < mostOfGroup);
    if (fresh.length === 0) return;
    const done = Promise.all(fresh.map((piece) => this.#carryOut(piece)));
    const enough = new AbortController();
    await Promise.race([done, this.#clock.sleep(this.#waitMs, enough.signal)]);
    enough.abort("enough");
  }

  /** Never rejects. */
  async #carryOut({ id, group, work }: Piece<Answer>): Promise<void> {
    const entry: UnderWay<Answer> = { group };
    this.#underWay.set(id, entry);
    try {
      entry.end = { answer: await work() };
    } catch (error) {
      entry.end = { error };
    }
  }
}
