import { join } from "node:path";
import { test } from "node:test";
import { openSqliteStore } from "../../server/src/store/sqlite/open.ts";
import type { Script } from "./bodies.ts";
import { Campaign } from "./campaign.ts";
import { readEffects } from "./effects.ts";
import { processesWithin, signal, until } from "./processes.ts";
import { firstSeed } from "./strikes.ts";
import { calm } from "./workload.ts";

const kinds = ["waiting", "busy", "frozen", "with a plain command"] as const;
const scripts: Record<(typeof kinds)[number], Script> = {
  waiting: { ...calm, finale: "sit" },
  busy: { ...calm, busy: true, workMs: 600_000 },
  frozen: { ...calm, finale: "sit" },
  "with a plain command": { ...calm, command: true, finale: "sit" },
};

// Fault to catch: no guard, or one that tells only the leader.
for (const kind of kinds) {
  test(`when a node is killed nothing is left of its children: ${kind}`, async () => {
    const campaign = new Campaign({
      seed: firstSeed,
      nodes: 1,
      leaseMs: 1_000,
      address: (folder) => `sqlite:${join(folder, "store.db")}`,
      openStore: (address) => openSqliteStore({ path: address.slice("sqlite:".length), role: "client" }),
    });
    try {
      await campaign.begin();
      const [node] = campaign.nodes;
      if (node === undefined) throw new Error("no node");
      campaign.start("sitter", { status: "succeeded", outcome: "succeeded" }, { input: { ...scripts[kind] } });
      const pid = await until(
        "the body has begun",
        () => readEffects(campaign.folder).find(({ act }) => act === "begun")?.pid,
      );
      if (kind === "frozen") signal(pid, "SIGSTOP");
      if (kind === "with a plain command") {
        const isThere = () =>
          processesWithin(node.folder).some(({ command }) => command.startsWith("sleep")) || undefined;
        await until("the plain command runs", isThere);
      }
      await campaign.kill(node);
    } finally {
      await campaign.end(false);
    }
  });
}
