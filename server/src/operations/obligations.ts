import { limits, type ObligationPage, type ObligationView } from "@holdfast/protocol";
import type { ObligationRow } from "../core/index.ts";
import type { Store } from "../store/store.ts";
import { timeText } from "./run-views.ts";
import type { Runs } from "./runs.ts";

/** What orders to end have still to bring to an end, as people see it (P6). */
export class Obligations {
  readonly #store: Store;
  readonly #runs: Runs;
  readonly #namespace: string;

  constructor({ store, runs, namespace }: { store: Store; runs: Runs; namespace: string }) {
    this.#store = store;
    this.#runs = runs;
    this.#namespace = namespace;
  }

  /** Of the tree of a run, or all that are open. Throws `not_found`, `ambiguous_id`. */
  async list({ run, limit = limits.pageRows }: { run?: string; limit?: number }): Promise<ObligationPage> {
    const rootId = run === undefined ? undefined : (await this.#runs.row(run)).rootId;
    const rows = await this.#store.listObligations({
      namespace: this.#namespace,
      limitRows: limit + 1,
      ...(rootId === undefined ? {} : { rootId }),
    });
    const shown = rows.slice(0, limit);
    const names = shown.length === 0 ? new Map<string, string>() : await this.#names();
    return { obligations: shown.map((row) => obligationView(row, names)), more: rows.length > limit };
  }

  async #names(): Promise<Map<string, string>> {
    const members = await this.#store.listMembers({ namespace: this.#namespace });
    return new Map(members.map(({ id, name }) => [id, name]));
  }
}

function obligationView(row: ObligationRow, names: ReadonlyMap<string, string>): ObligationView {
  const { kind, runId, subject, memberId, reason, tries, error } = row;
  return {
    ...{ kind, runId, subject, reason, tries, error },
    node: memberId === null ? null : (names.get(memberId) ?? memberId),
    orderedAt: new Date(row.orderedAt).toISOString(),
    forcedAt: timeText(row.forcedAt),
    lastTryAt: timeText(row.lastTryAt),
    metAt: timeText(row.metAt),
  };
}
