import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { storeHistories } from "../contract/histories.contract.ts";
import { openSqliteStore } from "./open.ts";

storeHistories(
  "sqlite",
  {
    clock: "held",
    timedLeases: false,
    second: false,
    async open() {
      const folder = mkdtempSync(join(tmpdir(), "holdfast-sqlite-"));
      let now = 1_800_000_000_000;
      const store = await openSqliteStore({ path: join(folder, "store.db"), role: "owner", clock: { now: () => now } });
      return {
        store,
        advance: (ms: number) => {
          now += ms;
        },
        close: async () => {
          await store.close();
          rmSync(folder, { recursive: true });
        },
      };
    },
  },
  { histories: 8, calls: 150 },
);
