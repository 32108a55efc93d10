import { createHash } from "node:crypto";
import type { Json, ScheduleSpec, TickBinding } from "@holdfast/protocol";
import { canonicalHash } from "../canonical.ts";
import { keyIdentity, type Limit, type NewRun, rootId, type ScheduleRow } from "../core/index.ts";
import type { EnqueueRow, Uniqueness } from "../store/store.ts";
import { dateIn, timeIn } from "../ticks.ts";
import type { Concurrency } from "./concurrency.ts";
import type { Definitions } from "./definitions.ts";
import { checkInput } from "./input-bounds.ts";
import { newRun } from "./runs.ts";

/**
 * How long a tick's key is remembered. The schedule's version already keeps a tick from starting twice; the key is for the one
 * case in which a version comes again, a schedule that is withdrawn and declared anew while a node is at it.
 */
const tickKeyRetentionMs = 86_400_000;

/** What a schedule's runs are made of. */
export class ScheduledRuns {
  readonly #definitions: Definitions;
  readonly #concurrency: Concurrency;
  readonly #namespace: string;

  constructor(options: { definitions: Definitions; concurrency: Concurrency; namespace: string }) {
    this.#definitions = options.definitions;
    this.#concurrency = options.concurrency;
    this.#namespace = options.namespace;
  }

  /** The run of a tick; its id and key follow from the schedule and the tick. Throws `invalid_input`, `too_large`, `not_found`. */
  async ofTick(schedule: ScheduleRow, tick: number, manifestHash: string): Promise<EnqueueRow> {
    const { definition, spec } = schedule;
    const key = `schedule/${schedule.id}/${new Date(tick).toISOString()}`;
    const hash = createHash("sha256")
      .update(keyIdentity(this.#namespace, definition, key))
      .digest();
    const run = await this.#run({ schedule, tick, manifestHash, id: rootId(tick, hash), key });
    const input = bindTick(spec.params, tick, spec.tz);
    return row(run, { key, hash: canonicalHash([definition, input]), retentionMs: tickKeyRetentionMs }, null);
  }

  /** A run that a person starts, as if a tick were now. Throws as `ofTick` does. */
  async ofPerson(args: {
    schedule: ScheduleRow;
    now: number;
    manifestHash: string;
    tail: Uint8Array;
    request: Uniqueness | null;
  }): Promise<EnqueueRow> {
    const { schedule, now, manifestHash, tail, request } = args;
    const run = await this.#run({ schedule, tick: now, manifestHash, id: rootId(now, tail), key: null });
    return row(run, null, request);
  }

  async #run(args: {
    schedule: ScheduleRow;
    tick: number;
    manifestHash: string;
    id: string;
    key: string | null;
  }): Promise<NewRun> {
    const { schedule, tick, manifestHash, id, key } = args;
    const { definition, spec } = schedule;
    const [definitionSpec, input] = [
      await this.#definitions.spec(manifestHash, definition),
      bindTick(spec.params, tick, spec.tz),
    ];
    checkInput(input, definition);
    const fitted = await this.#definitions.fitGiven(definitionSpec, input);
    // Defaults may have come in.
    checkInput(fitted, definition);
    const limits = [...this.#turns(schedule), ...(await this.#concurrency.limitsOfRoot(definitionSpec, fitted))];
    const request = { definition, ...(key === null ? {} : { key }) };
    const run = newRun({ id, namespace: this.#namespace, request, spec: definitionSpec, manifestHash, limits });
    return { ...run, ...this.#concurrency.ageing, input: fitted };
  }

  /** Runs that take turns stand at a gate of the schedule's own. */
  #turns({ id, spec }: ScheduleRow): Limit[] {
    if (spec.overlap !== "wait" && spec.overlap !== "cancel") return [];
    return [{ id: `${this.#namespace}/schedule/${id}`, slots: 1, hold: "run" }];
  }
}

function row(run: NewRun, key: Uniqueness | null, request: Uniqueness | null): EnqueueRow {
  return { run, key, request, claimFor: null };
}

/** What a run is started with at a tick. */
export function bindTick(binding: TickBinding, tick: number, tz: ScheduleSpec["tz"]): Json {
  if ("const" in binding) return binding.const;
  if ("tick" in binding) return binding.tick === "date" ? dateIn(tick, tz) : timeIn(tick, tz);
  if ("list" in binding) return binding.list.map((item) => bindTick(item, tick, tz));
  const fields = Object.entries(binding.object).map(([name, item]) => [name, bindTick(item, tick, tz)] as const);
  return Object.fromEntries(fields);
}
