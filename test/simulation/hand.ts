import { isAppError } from "@holdfast/protocol";
import type { PauseKind, RunRow } from "../../server/src/core/index.ts";
import type { Services } from "../../server/src/main.ts";
import type { Control } from "../../server/src/operations/requests.ts";
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
  /** Told of a promise that was broken. */
  readonly breach: (text: string) => void;
}

/** Somebody who pauses, resumes, retries and clears by chance. A refusal is an answer. */
export class Hand {
  readonly #options: HandOptions;
  readonly #paused = new Map<string, { kind: PauseKind; name: string }>();
  #keys = 0;
  /** What was asked under a key, and what was answered. */
  readonly #asked: { readonly root: string; readonly ask: () => Promise<string>; readonly said: string }[] = [];

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
      () => this.#repeat(),
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
    const act = async (control?: Control): Promise<unknown> => {
      if (how === "mark") return this.#mark(id, control);
      if (how === "leaves") return client.restarts.retry(id, { fromFailed: true }, control);
      if (how === "retry") return client.restarts.retry(id, { attempt }, control);
      return client.restarts.clear(id, { fresh: how === "clear", attempt }, control);
    };
    if (this.#options.chance.happens(0.5)) await this.#unlessRefused(() => insist(() => act()));
    else {
      this.#keys += 1;
      const key = `key-${this.#keys}`;
      const ask = async () => JSON.stringify(await client.requests.once(key, { id, how }, act));
      await this.#unlessRefused(async () => {
        this.#asked.push({ root: rootId, ask, said: await insist(ask) });
      });
    }
    for (const run of tree) restarted(run.id);
  }

  async #mark(id: string, control?: Control): Promise<unknown> {
    const { client, breach } = this.#options;
    const answer = await client.marks.mark(id, { status: "skipped" }, control);
    const { changed, run } = answer;
    if (changed && run.status !== "skipped" && run.status !== "cancelling") {
      breach(`${run.name} was marked as skipped, as it was answered, and is ${run.status}`);
    }
    return answer;
  }

  /** Somebody asks again under a key, whatever has become of the run since: nothing happens, and the answer is the same. */
  async #repeat(): Promise<void> {
    const { chance, insist, breach } = this.#options;
    if (this.#asked.length === 0) return;
    const { root, ask, said } = chance.pick(this.#asked);
    let again = "";
    await this.#unlessRefused(async () => {
      again = await insist(ask);
    });
    if (again !== said) breach(`a request about the tree of ${root} was answered otherwise when it was repeated`);
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
