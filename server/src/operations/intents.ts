import {
  AppError,
  type IntentPage,
  type IntentState,
  type IntentView,
  isAppError,
  type RunError,
  type StartRun,
  signalRunSchema,
  startRunSchema,
} from "@holdfast/protocol";
import type { Clock } from "../clock.ts";
import { type Logger, silentLog } from "../log.ts";
import type { IntentResult, IntentRow, IntentStore, IntentVerdict } from "../store/intents.ts";
import type { Definitions } from "./definitions.ts";
import { asRunError, refusalOf } from "./intent-refusals.ts";
import { PatientWork } from "./patient-work.ts";
import type { Runs } from "./runs.ts";

// What users have promised in transactions of their own becomes runs, signals and cancels here, in the order in which it was
// promised as far as that is known. What cannot be carried out is kept as rejected, with why: it blocks nobody, it is listed, and it is
// tried again when its definition has another manifest, or when somebody asks.

/** Intents that are looked at together. */
const pageRows = 500;

export interface IntentsOptions {
  /** Undefined: this store keeps none. */
  readonly intents: IntentStore | undefined;
  readonly runs: Runs;
  readonly definitions: Definitions;
  readonly namespace: string;
  readonly clock: Pick<Clock, "sleep">;
}

export class Intents {
  readonly #options: IntentsOptions;
  /** What an input takes to be checked delays no other intent. */
  readonly #work: PatientWork<IntentVerdict>;
  #log: Logger = silentLog;

  constructor(options: IntentsOptions) {
    this.#options = options;
    this.#work = new PatientWork(options);
  }

  /** Where it is said what was rejected. */
  useLog(log: Logger): void {
    this.#log = log;
  }

  /** What is said where there can be none; else undefined. */
  get refusal(): AppError | undefined {
    if (this.isSupported) return undefined;
    return new AppError(
      "unsupported",
      "This store keeps no intents: only PostgreSQL does, in the database of your tables.",
      {
        hint: "Use a PostgreSQL store there (enqueueIn, signalIn, cancelIn), or call start() after your own commit.",
      },
    );
  }

  /** Whether there can be any. */
  get isSupported(): boolean {
    return this.#options.intents !== undefined;
  }

  /**
   * Carries out what stands open, a page of it: the first in which something can be. `settled`: what was carried out or rejected;
   * `more`: others may stand open that nobody else is at.
   */
  async redeem(): Promise<{ settled: number; more: boolean }> {
    const { namespace } = this.#options;
    const store = this.#store();
    for (let after = 0; ; ) {
      const rows = await store.listIntents({ namespace, state: "open", after, limitRows: pageRows });
      const last = rows.at(-1);
      if (last === undefined) return { settled: 0, more: false };
      const settled = await this.#settleReady(rows);
      if (settled > 0) return { settled, more: true };
      // All of them are another node's, or wait for one of those: or for an intent that was made later, as a signal does that was made
      // before its own run.
      after = last.id;
    }
  }

  /** The run that a promised id came to; undefined if none was promised. Throws `intent_rejected`. */
  async redeemRun(runId: string): Promise<string | undefined> {
    const { intents, namespace } = this.#options;
    if (intents === undefined) return undefined;
    const intent = await intents.findIntent({ namespace, runId });
    if (intent === undefined) return (await intents.findKeptId({ namespace, runId })) ?? runId;
    if (intent.rejection === null) await this.#settle([intent], [await this.#judge(intent)]);
    let standing = await intents.findIntent({ namespace, runId });
    if (standing?.rejection === null) {
      // Behind a cancel that was made before it.
      await this.redeem();
      await this.#settle([standing], [await this.#judge(standing)]);
      standing = await intents.findIntent({ namespace, runId });
    }
    if (standing?.rejection != null) throw rejected(runId, standing.rejection.error);
    return (await intents.findKeptId({ namespace, runId })) ?? runId;
  }

  /** Opens those rejected intents again whose definition has changed. False: nothing stands rejected. */
  async reopenJudged(): Promise<boolean> {
    const { namespace } = this.#options;
    const { reopened, none } = await this.#store().reopenJudged({ namespace, limitRows: pageRows });
    if (reopened > 0)
      this.#log.info({ intents: reopened }, "Rejected intents are tried again: their definitions have changed.");
    return !none;
  }

  async list(query: { state: IntentState; cursor?: string; limit: number }): Promise<IntentPage> {
    const { state, cursor, limit } = query;
    const { namespace } = this.#options;
    const after = cursor === undefined ? 0 : Number(cursor);
    if (!Number.isSafeInteger(after) || after < 0) {
      throw new AppError("invalid_request", `"${cursor}" is no place in a list of intents.`);
    }
    const rows = await this.#store().listIntents({ namespace, state, after, limitRows: limit });
    const last = rows.at(-1);
    const isLast = last === undefined || (await this.#isLast(state, last.id));
    return { intents: rows.map(intentView), cursor: isLast ? null : String(last.id) };
  }

  /** Opens rejected intents again, all of them where `ids` is absent. Answers how many. */
  async retry(ids?: readonly number[]): Promise<{ reopened: number }> {
    const { namespace } = this.#options;
    return this.#store().reopenIntents({ namespace, ids: ids ?? null });
  }

  /** Forgets rejected intents: what they promised will not be. Answers how many. */
  async drop(ids: readonly number[]): Promise<{ dropped: number }> {
    const { namespace } = this.#options;
    const answer = await this.#store().dropIntents({ namespace, ids });
    if (answer.dropped > 0) this.#log.info({ intents: ids }, `${answer.dropped} rejected intents were dropped.`);
    return answer;
  }

  /** Lets a role of the store's database make intents, and nothing else. */
  async grant(role: string): Promise<void> {
    await this.#store().grantIntents({ role });
  }

  async #isLast(state: IntentState, after: number): Promise<boolean> {
    const { namespace } = this.#options;
    return (await this.#store().listIntents({ namespace, state, after, limitRows: 1 })).length === 0;
  }

  /** Of a page, those that are judged in a moment, or were meanwhile. Answers how many were carried out or rejected. */
  async #settleReady(rows: readonly IntentRow[]): Promise<number> {
    const idOf = ({ id, rejection }: IntentRow) => `${id}/${rejection?.at ?? ""}`;
    const verdicts = await this.#work.take(
      rows.map((row) => ({ id: idOf(row), group: row.definition ?? "", work: () => this.#judge(row) })),
    );
    const ready = rows.filter((row) => verdicts.has(idOf(row)));
    return ready.length === 0 ? 0 : this.#settle(ready, [...verdicts.values()]);
  }

  /** Answers how many were carried out or rejected. `verdicts`: in the order of the rows. */
  async #settle(rows: readonly IntentRow[], verdicts: readonly IntentVerdict[]): Promise<number> {
    const results = await this.#settleVerdicts(verdicts);
    const again: IntentVerdict[] = [];
    let settled = 0;
    for (const [index, result] of results.entries()) {
      const row = rows[index];
      const verdict = verdicts[index];
      if (row === undefined || verdict === undefined) continue;
      const refusal = refusalOf(row, result);
      if (result.outcome === "outdated" && row.definition !== null) this.#options.definitions.forget(row.definition);
      if (refusal !== undefined) {
        const judgedBy = verdict.to === "run" ? verdict.row.run.manifestHash : null;
        const judge = result.outcome === "withheld" ? result : { judgedBy, definition: null };
        again.push({ ...judge, intentId: row.id, to: "rejected", error: asRunError(refusal) });
      } else if (result.outcome === "kept") settled += 1;
      if (verdict.to === "rejected" && result.outcome === "kept") this.#tell(row, verdict.error);
    }
    if (again.length === 0) return settled;
    const refused = await this.#store().settleIntents({ rows: again });
    for (const [index, verdict] of again.entries()) {
      const row = rows.find(({ id }) => id === verdict.intentId);
      if (row !== undefined && verdict.to === "rejected" && refused[index]?.outcome === "kept")
        this.#tell(row, verdict.error);
    }
    return settled + again.length;
  }

  /** What is wrong with one row harms no other: a batch that is refused is halved until the one at fault stands alone. */
  async #settleVerdicts(rows: readonly IntentVerdict[]): Promise<IntentResult[]> {
    try {
      return await this.#store().settleIntents({ rows });
    } catch (error) {
      if (!isAppError(error) || !["invalid_request", "too_large"].includes(error.code)) throw error;
      const [first] = rows;
      if (rows.length > 1) {
        const half = rows.length >> 1;
        return [
          ...(await this.#settleVerdicts(rows.slice(0, half))),
          ...(await this.#settleVerdicts(rows.slice(half))),
        ];
      }
      if (first === undefined || first.to === "rejected") throw error;
      const judgedBy = first.to === "run" ? first.row.run.manifestHash : null;
      return this.#settleVerdicts([{ intentId: first.intentId, to: "rejected", error: asRunError(error), judgedBy }]);
    }
  }

  async #judge(row: IntentRow): Promise<IntentVerdict> {
    if (row.kind === "cancel") {
      const message =
        row.reason === null || row.reason === "" ? "It was cancelled." : `It was cancelled: ${row.reason}`;
      const ending = { status: "cancelled", error: { code: "cancelled", message } } as const;
      return { intentId: row.id, to: "cancel", ending, data: { reason: row.reason } };
    }
    try {
      // What the functions in SQL have let through is judged as what comes over HTTP.
      if (row.kind === "signal") {
        const signal = signalRunSchema.safeParse({ name: row.signal, payload: row.input ?? null });
        if (signal.success)
          return { intentId: row.id, to: "signal", name: signal.data.name, payload: row.input ?? null };
        const error = { code: "invalid_input", message: firstIssue(signal.error) };
        return { intentId: row.id, to: "rejected", error, judgedBy: null };
      }
      const request = startRunSchema.safeParse(requestOf(row));
      if (!request.success) {
        const error = { code: "invalid_input", message: firstIssue(request.error) };
        return { intentId: row.id, to: "rejected", error, judgedBy: null };
      }
      const prepared = await this.#options.runs.prepare(request.data, row.runId ?? "");
      if ("row" in prepared) return { intentId: row.id, to: "run", row: prepared.row };
      return { intentId: row.id, to: "rejected", error: asRunError(prepared.refused), judgedBy: prepared.judgedBy };
    } catch (error) {
      if (isAppError(error, "store_unavailable")) throw error;
      // A mistake of ours about one intent must not keep the others.
      this.#log.error({ err: error, intent: row.id }, "An intent could not be judged.");
      const message = "It could not be judged; the server's log says why.";
      return { intentId: row.id, to: "rejected", error: { code: "internal", message }, judgedBy: null };
    }
  }

  #tell({ id, kind, runId, definition, key }: IntentRow, error: RunError): void {
    const about = { intent: id, kind, run: runId, definition, key, code: error.code };
    this.#log.warn(about, `An intent was rejected: ${error.message}`);
  }

  #store(): IntentStore {
    const { intents } = this.#options;
    if (intents !== undefined) return intents;
    throw this.refusal;
  }
}

function firstIssue({
  issues,
}: {
  readonly issues: readonly { readonly path: PropertyKey[]; readonly message: string }[];
}) {
  const [issue] = issues;
  return issue === undefined ? "It is wrong." : `${issue.path.join(".")}: ${issue.message}`;
}

function requestOf(row: IntentRow): StartRun {
  return {
    definition: row.definition ?? "",
    ...(row.input === undefined ? {} : { input: row.input }),
    ...(row.key === null ? {} : { key: row.key }),
    ...(row.keyRetentionMs === null ? {} : { keyRetentionMs: row.keyRetentionMs }),
    ...(row.priority === null ? {} : { priority: row.priority }),
    ...(row.startAfter === null ? {} : { startAfter: new Date(row.startAfter).toISOString() }),
    ...(row.expiresAfterMs === null ? {} : { expiresAfterMs: row.expiresAfterMs }),
    ...(row.traceparent === null ? {} : { traceparent: row.traceparent }),
  };
}

function rejected(runId: string, error: RunError): AppError {
  return new AppError("intent_rejected", `Run ${runId} was promised and could not be made: ${error.message}`, {
    hint: error.hint ?? "holdfast intents list shows what was rejected; holdfast intents retry tries it again.",
    details: { runId, error },
  });
}

function intentView(row: IntentRow): IntentView {
  return {
    id: row.id,
    kind: row.kind,
    state: row.rejection === null ? "open" : "rejected",
    runId: row.runId,
    signal: row.signal,
    definition: row.definition,
    key: row.key,
    madeAt: new Date(row.madeAt).toISOString(),
    rejectedAt: row.rejection === null ? null : new Date(row.rejection.at).toISOString(),
    error: row.rejection?.error ?? null,
  };
}
