/**
 * A node as the kill test of assets strikes it: `assets-node.ts ADDRESS WRITER POINT`. It tells events, takes them and carries the runs out,
 * all in its own process, and kills itself when it comes to the point, which it says before. Without one it tells some more and says when.
 */
import { enableCompileCache } from "node:module";
import { consumers, tellNext } from "./assets-work.ts";

enableCompileCache();
const { systemClock } = await import("../../server/src/clock.ts");
const { openLog } = await import("../../server/src/log.ts");
const { serve, startNode } = await import("../../server/src/main.ts");
const { InlinePlacement } = await import("../../server/src/placements/inline/inline-placement.ts");
const { mergeCalls } = await import("../../server/src/store/merging.ts");
const { openPostgresStore } = await import("../../server/src/store/postgres/postgres-store.ts");
const { openStore } = await import("../../server/src/store/open.ts");
const { definitionData } = await import("@holdfast/sdk/definitions");
const { task } = await import("@holdfast/sdk");

/** Told by one that does not die. */
const lastEvents = 3;

const [address = "", writer = "", fatal = ""] = process.argv.slice(2);
let [isTelling, isTaking] = [false, false];

async function pass(point: string): Promise<void> {
  if (point !== fatal) return;
  await new Promise<void>((resolve) => process.send?.({ diesAt: point }, () => resolve()));
  process.kill(process.pid, "SIGKILL");
  await new Promise(() => undefined);
}

/** A commit is named for what its transaction has done. */
async function passStatement(name: string): Promise<void> {
  if (name === "insertAssetEvents") isTelling = true;
  if (name === "moveConsumers") isTaking = true;
  if (name !== "commit") return pass(name);
  const commits = [...(isTelling ? ["commit.telling"] : []), ...(isTaking ? ["commit.taking"] : [])];
  [isTelling, isTaking] = [false, false];
  for (const commit of commits) await pass(commit);
}

const around: Readonly<Record<string, readonly [before: string | undefined, after: string]>> = {
  transactState: ["tell", "told"],
  dueConsumers: [undefined, "look"],
  consumeEvents: ["take", "taken"],
};

process.once("disconnect", () => process.exit(1));
const store = address.startsWith("postgres")
  ? await openPostgresStore({ url: address, beforeStatement: passStatement })
  : await openStore(address, { role: "owner", clock: systemClock });
const pointed = new Proxy(mergeCalls(store, { clock: systemClock }), {
  get: (target, name) => {
    const verb: unknown = Reflect.get(target, name);
    const points = around[String(name)];
    if (points === undefined || typeof verb !== "function") return verb;
    return async (args: unknown): Promise<unknown> => {
      if (points[0] !== undefined) await pass(points[0]);
      const answer = (await Reflect.apply(verb, target, [args])) as readonly unknown[];
      // To look in vain is nothing that anything rests on.
      if (answer.length > 0) await pass(points[1]);
      return answer;
    };
  },
});
const data = definitionData(task({ id: consumers[0] }, async () => "taken"));
if (data?.kind !== "task") throw new Error("what is started is a task");
const placement = new InlinePlacement({ projectRoot: "/", concurrency: 20, find: () => data });
const services = serve(pointed, { pollMs: 100 });
await startNode(services, {
  root: "/",
  log: openLog("error"),
  leaseMs: 1_000,
  pollMs: 100,
  concurrency: 20,
  placement,
});
process.send?.({ ready: true });
for (let told = 0; fatal !== "" || told < lastEvents; ) {
  const n = await tellNext(pointed, writer);
  if (n !== undefined) {
    told += 1;
    process.send?.({ told: n });
  }
  await systemClock.sleep(30);
}
process.send?.({ over: true });
