import type { Logger } from "../log.ts";
import type { Firing } from "../operations/firing.ts";
import type { Loop } from "./loop.ts";

/** Schedules that one tick of the loop looks at. */
const limitRows = 500;
/** Until the next look when others are at everything that is due. */
const othersMs = 20;

/** Starts what schedules say is due. Any number of nodes do it: a tick is whose step comes first. */
export class Scheduler implements Loop {
  readonly name = "scheduler";
  readonly #firing: Firing;
  readonly #log: Logger;
  readonly #pollMs: number;

  constructor({ firing, log, pollMs }: { firing: Firing; log: Logger; pollMs: number }) {
    this.#firing = firing;
    this.#log = log;
    this.#pollMs = pollMs;
  }

  async tick(): Promise<number> {
    const { looked, moved, notes, nextInMs } = await this.#firing.fireDue(limitRows);
    for (const { schedule, note } of notes) {
      const from = new Date(note.from).toISOString();
      const what =
        note.what === "missed"
          ? `Ticks of the schedule "${schedule}" were missed.`
          : `A tick of the schedule "${schedule}" started no run.`;
      this.#log.warn({ schedule, from, count: note.count, why: note.why }, what);
    }
    if (looked > 0) return moved > 0 ? 0 : othersMs;
    return Math.max(1, Math.min(this.#pollMs, nextInMs ?? this.#pollMs));
  }
}
