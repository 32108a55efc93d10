import { AppError, limits, nameHint, type Paused, type PausePage } from "@holdfast/protocol";
import { type PauseKind, pauseId } from "../core/index.ts";
import type { PauseResult, Store } from "../store/store.ts";
import type { Definitions } from "./definitions.ts";
import { knownQueues, unknownQueueText } from "./known-queues.ts";
import { type Control, plainControl } from "./requests.ts";
import { pauseView, timeText } from "./run-views.ts";
import { type Runs, unknownRun } from "./runs.ts";

/** Whether something starts or waits, as people say it (core/pauses.ts). */
export class Pauses {
  readonly #store: Store;
  readonly #runs: Runs;
  readonly #definitions: Definitions;
  readonly #namespace: string;

  constructor(options: { store: Store; runs: Runs; definitions: Definitions; namespace: string }) {
    const { store, runs, definitions, namespace } = options;
    this.#definitions = definitions;
    this.#store = store;
    this.#runs = runs;
    this.#namespace = namespace;
  }

  /** Nothing of it starts from now on; what is under way goes on. Throws `not_found`, `run_ended`. */
  async pause(
    kind: PauseKind,
    given: string,
    reason?: string,
    control: Control = plainControl(this.#store),
  ): Promise<Paused> {
    const name = await this.#nameOf(kind, given);
    const result = await control.pauseRuns({ target: this.#target(kind, name), reason: reason ?? null });
    return this.#answer(kind, name, { paused: true, result });
  }

  /** Its runs start again in their turn, where nothing else pauses them. Throws `not_found`, `run_ended`. */
  async resume(kind: PauseKind, given: string, control: Control = plainControl(this.#store)): Promise<Paused> {
    const name = await this.#nameOf(kind, given);
    const target = this.#target(kind, name);
    const result = await control.resumeRuns({ target, limitRows: limits.pageRows });
    // Events may have waited for it.
    if (kind === "definition") this.#store.ring(["assets"]);
    return this.#answer(kind, name, { paused: false, result });
  }

  /** What is paused, in the order of kinds and names. */
  async list({ kind, cursor, limit }: { kind?: PauseKind; cursor?: string; limit: number }): Promise<PausePage> {
    const rows = await this.#store.listPauses({
      namespace: this.#namespace,
      limitRows: limit,
      ...(kind === undefined ? {} : { kind }),
      ...(cursor === undefined ? {} : { after: cursor }),
    });
    const last = rows.length < limit ? undefined : rows.at(-1);
    return { pauses: rows.map(pauseView), cursor: last === undefined ? null : pauseId(last) };
  }

  #target(kind: PauseKind, name: string) {
    return { namespace: this.#namespace, kind, name };
  }

  async #nameOf(kind: PauseKind, given: string): Promise<string> {
    if (kind === "run") return this.#runs.resolve(given);
    if (given.length > 0 && given.length <= limits.idCharacters) return given;
    throw new AppError("invalid_request", `A ${kind}'s name has 1 to ${limits.idCharacters} characters.`);
  }

  async #answer(
    kind: PauseKind,
    name: string,
    { paused, result }: { readonly paused: boolean; readonly result: PauseResult },
  ): Promise<Paused> {
    if (result.outcome === "not_found") throw unknownRun(name);
    if (result.outcome === "ended") {
      throw new AppError("run_ended", `Run ${name} has ended: there is nothing to ${paused ? "pause" : "resume"}.`, {
        hint: paused
          ? "Pause its definition or its queue to hold up those that come."
          : "To start it again: holdfast runs retry, or holdfast runs clear.",
      });
    }
    const { outcome, since } = result;
    const all = kind === "run" ? await this.#store.findPauses({ runId: name }) : [];
    const others = all.filter((row) => row.kind !== kind || row.name !== name).map(pauseView);
    const note = kind === "run" ? undefined : await this.#noteOf(kind, name);
    const said = note === undefined ? {} : { note };
    return { kind, name, paused, changed: outcome === "done", since: timeText(since), others, ...said };
  }

  /** Queues that a definition, a limit or a ready run names, in their order. */
  queues(): Promise<string[]> {
    return knownQueues(this.#store, this.#definitions, this.#namespace);
  }

  /** Names that nobody knows may be paused: what comes under them later is held. That is told, since it may be a mistake. */
  async #noteOf(kind: "definition" | "queue", name: string): Promise<string | undefined> {
    if (kind === "queue") return unknownQueueText(name, await this.queues());
    const known = (await this.#definitions.list()).map(({ id }) => id);
    return known.includes(name) ? undefined : `There is no definition ${name} yet. ${nameHint(name, known)}`;
  }
}
