import type { ScheduleSpec } from "@holdfast/protocol";
import { type NewRun, newScheduleState } from "../../core/index.ts";
import type { EnqueueRow, ScheduleDeclaration, ScheduleFiring, Store, StoreVerb } from "../store.ts";
import type { Chance } from "./chance.contract.ts";
import { namespace } from "./world.contract.ts";

interface ScheduleCall {
  readonly verb: StoreVerb;
  readonly args: object;
}

const ids = ["extract", "extract:eu", "load:a", "load:b"] as const;
/** Long ago, or in no history's time. */
const moments = [null, 1, 2, 3, 4_000_000_000_000] as const;

/** A call that concerns schedules, mostly in the version that is there. */
export async function scheduleCall(
  chance: Chance,
  model: Pick<Store, "findSchedule">,
  run: () => NewRun,
): Promise<ScheduleCall> {
  const seen = async (id: string): Promise<number | null> => {
    if (chance.happens(0.2)) return chance.pick([null, 1, 2]);
    return (await model.findSchedule({ namespace, id }))?.version ?? null;
  };
  const some = <T>(draw: (id: string) => Promise<T>): Promise<T[]> => {
    return Promise.all(ids.filter(() => chance.happens(0.4)).map(draw));
  };
  const id = chance.pick(ids);
  switch (chance.below(6)) {
    case 0: {
      const definitions = chance.pick([["extract"], ["load"], ["extract", "load"], []]);
      const rows = await some(async (one) => declared(chance, one, await seen(one)));
      const kept = ids.filter((one) => !rows.some((row) => row.id === one) && chance.happens(0.6));
      return { verb: "declareSchedules", args: { namespace, definitions, rows, kept } };
    }
    case 1:
    case 2: {
      const rows = await some(async (one) => fired(chance, one, (await seen(one)) ?? 0, run));
      return { verb: "fireSchedules", args: { rows } };
    }
    case 3:
      return {
        verb: "pauseSchedule",
        args: { namespace, id, paused: chance.happens(0.5), reason: chance.happens(0.5) ? "chance" : null },
      };
    case 4:
      if (chance.happens(0.3)) return { verb: "removeSchedule", args: { namespace, id } };
      return { verb: "dueSchedules", args: { namespace, limitRows: 1 + chance.below(4) } };
    default:
      return chance.happens(0.3)
        ? { verb: "findSchedule", args: { namespace, id } }
        : { verb: "listSchedules", args: { namespace, limitRows: 1 + chance.below(5) } };
  }
}

function declared(chance: Chance, id: string, version: number | null): ScheduleDeclaration {
  const definition = id.split(":")[0] ?? id;
  const dueAt = chance.pick(moments);
  const spec: ScheduleSpec = {
    id,
    definition,
    when: { everyMs: 1_000 },
    tz: "UTC",
    params: { const: { n: chance.below(3) } },
    catchUp: "all",
    overlap: "allow",
    jitterMs: 0,
  };
  return { id, definition, spec, dueAt, version, state: { ...newScheduleState(dueAt), started: chance.below(3) } };
}

function fired(chance: Chance, id: string, version: number, run: () => NewRun): ScheduleFiring {
  const dueAt = chance.pick(moments);
  const runs = chance.some(2, (): EnqueueRow => {
    const key = { key: `tick${chance.below(6)}`, hash: "h", retentionMs: 1 };
    return { run: run(), key: chance.happens(0.7) ? key : null, request: null, claimFor: null };
  });
  return { namespace, id, version, dueAt, state: newScheduleState(dueAt), runs };
}
