/**
 * A node as the kill test of schedules strikes it: `schedule-node.ts ADDRESS SEED`. Bodies run in its own process. With the odds
 * that its seed gives it kills itself at a step of a firing, and says before at which.
 */
import { enableCompileCache } from "node:module";
import { Chance } from "../../server/src/store/contract/chance.contract.ts";
import { beat, isPoint } from "./schedule-work.ts";

enableCompileCache();
const { systemClock } = await import("../../server/src/clock.ts");
const { openLog } = await import("../../server/src/log.ts");
const { serve, startNode } = await import("../../server/src/main.ts");
const { InlinePlacement } = await import("../../server/src/placements/inline/inline-placement.ts");
const { mergeCalls } = await import("../../server/src/store/merging.ts");
const { openPostgresStore } = await import("../../server/src/store/postgres/postgres-store.ts");
const { openStore } = await import("../../server/src/store/open.ts");
const { definitionData } = await import("@holdfast/sdk/definitions");

/** Of a thousand steps of firings, at how many it dies. */
const deathsPerThousand = 50;

const [address = "", seed = ""] = process.argv.slice(2);
const chance = new Chance(Number(seed));
let isFiring = false;

/** Dies here, perhaps: at a step of a firing, and at the commit of one. */
async function pass(name: string): Promise<void> {
  if (name === "lockSchedules") isFiring = true;
  if (!isPoint(name) || (name === "commit" && !isFiring)) return;
  if (name === "commit") isFiring = false;
  if (!chance.happens(deathsPerThousand / 1_000)) return;
  await new Promise<void>((resolve) => process.send?.({ diesAt: name }, () => resolve()));
  process.kill(process.pid, "SIGKILL");
  await new Promise(() => undefined);
}

process.once("disconnect", () => process.exit(1));
const store = address.startsWith("postgres")
  ? await openPostgresStore({ url: address, beforeStatement: pass })
  : await openStore(address, { role: "owner", clock: systemClock });
const pointed = new Proxy(mergeCalls(store, { clock: systemClock }), {
  get: (target, name) => {
    const verb: unknown = Reflect.get(target, name);
    if (name !== "fireSchedules" || typeof verb !== "function") return verb;
    return async (args: unknown): Promise<unknown> => {
      await pass("fireSchedules");
      const answer: unknown = await Reflect.apply(verb, target, [args]);
      await pass("fired");
      return answer;
    };
  },
});
const data = definitionData(beat);
if (data?.kind !== "task") throw new Error("the beat is a task");
const services = serve(pointed, { pollMs: 250 });
const placement = new InlinePlacement({ projectRoot: "/", concurrency: 50, find: () => data });
await startNode(services, {
  root: "/",
  log: openLog("error"),
  leaseMs: 1_000,
  pollMs: 250,
  concurrency: 50,
  placement,
});
process.send?.({ ready: true });
