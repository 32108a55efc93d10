import { isAppError } from "@holdfast/protocol";
import type { PauseKind, RunRow } from "../../server/src/core/index.ts";
import type { Services } from "../../server/src/main.ts";
import type { Chance } from "../../server/src/store/contract/chance.contract.ts";
import type { VirtualClock } from "../../server/src/testing/virtual-clock.ts";

export interface HandOptions {
  readonly chance: Chance;
  readonly clock: VirtualClock;
  readonly client: Services;
  readonly rows: () => ReadonlyMap<string, RunRow>;
  readonly insist: <T>(ask: () => Promise<T>) => Promise<T>;
  /** Told of every run that may have started again, before it can have. */
  readonly restarted: (id: string) => void;
}

/** Somebody who pauses, resumes, retries and clears by chance. A refusal is an answer. */
export class Hand {
  readonly #options: HandOptions;
  readonly #paused = new Map<string, { kind: PauseKind; name: string }>();

  constructor(options: HandOptions) {
    this.#options = options;
  }

  async act(): Promise<void> {
    const { chance, rows } = this.#options;
    const ids = [...rows().keys()];
    if (ids.length === 0) return;
    const id = chance.pick(ids);
    await chance.pick([
      () => this.#pause(id),
      () => this.#resume(),
      () => this.#resume(),
      () => this.#restart(id, "retry"),
      () => this.#restart(id, "clear"),
      () => this.#restart(id, "resume"),
      () => this.#restart(id, "leaves"),
      () => this.#restart(id, "mark"),
      () => this.#force(id),
    ])();
  }

  /** Resumes everything. */
  async letGo(): Promise<void> {
    while (this.#paused.size > 0) await this.#resume();
  }

  async #pause(id: string): Promise<void> {
    const { chance, client, insist, rows } = this.#options;
    const target = chance.pick([
      { kind: "run", name: id },
      { kind: "definition", name: rows().get(id)?.definition ?? "unit" },
      { kind: "queue", name: "default" },
    ] as const);
    this.#paused.set(`${target.kind} ${target.name}`, target);
    await this.#unlessRefused(() => insist(() => client.pauses.pause(target.kind, target.name)));
  }

  async #resume(): Promise<void> {
    const { chance, client, insist } = this.#options;
    const names = [...this.#paused.keys()];
    if (names.length === 0) return;
    const name = chance.pick(names);
    const target = this.#paused.get(name);
    if (target === undefined) return;
    await this.#unlessRefused(() => insist(() => client.pauses.resume(target.kind, target.name)));
    this.#paused.delete(name);
  }

  async #restart(id: string, how: "retry" | "clear" | "resume" | "leaves" | "mark"): Promise<void> {
    const { client, insist, rows, restarted } = this.#options;
    const attempt = rows().get(id)?.attempt;
    if (attempt === undefined) return;
    // What depends on it and what is above it may start again with it.
    const { rootId } = rows().get(id) ?? { rootId: id };
    const tree = [...rows().values()].filter((run) => run.rootId === rootId);
    for (const run of tree) restarted(run.id);
    await this.#unlessRefused(() =>
      insist((): Promise<unknown> => {
        if (how === "mark") return client.marks.mark(id, { status: "skipped" });
        if (how === "leaves") return client.restarts.retry(id, { fromFailed: true });
        if (how === "retry") return client.restarts.retry(id, { attempt });
        return client.restarts.clear(id, { fresh: how === "clear", attempt });
      }),
    );
    for (const run of tree) restarted(run.id);
  }

  async #force(id: string): Promise<void> {
    const { client, insist, restarted } = this.#options;
    restarted(id);
    await this.#unlessRefused(() => insist(() => client.runs.cancel(id, { force: true })));
    restarted(id);
  }

  async #unlessRefused(act: () => Promise<unknown>): Promise<void> {
    try {
      await act();
    } catch (error) {
      const codes = ["run_live", "run_ended", "run_superseded", "upstream_unmet", "not_found"] as const;
      if (!codes.some((code) => isAppError(error, code))) throw error;
    }
  }
}
