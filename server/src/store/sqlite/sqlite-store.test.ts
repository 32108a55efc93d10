import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { storeContract } from "../store.contract.ts";
import type { Store } from "../store.ts";
import { openSqliteStore } from "./open.ts";

storeContract("sqlite", {
  clock: "held",
  timedLeases: false,
  second: true,
  async open() {
    const folder = mkdtempSync(join(tmpdir(), "holdfast-sqlite-"));
    const path = join(folder, "store.db");
    let now = 1_800_000_000_000;
    const store = await openSqliteStore({ path, role: "owner", clock: { now: () => now } });
    const clients: Store[] = [];
    return {
      store,
      advance: (ms: number) => {
        now += ms;
      },
      second: async () => {
        const client = await openSqliteStore({ path, role: "client" });
        clients.push(client);
        return client;
      },
      close: async () => {
        for (const client of clients) await client.close();
        await store.close();
        rmSync(folder, { recursive: true });
      },
    };
  },
});
