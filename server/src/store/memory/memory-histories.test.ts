import { storeHistories } from "../contract/histories.contract.ts";
import { openMemoryStore } from "./memory-store.ts";

storeHistories(
  "a second memory store",
  {
    clock: "held",
    timedLeases: true,
    second: false,
    async open() {
      let now = 1_800_000_000_000;
      const store = openMemoryStore({ clock: { now: () => now } });
      const advance = (ms: number) => {
        now += ms;
      };
      return { store, advance, close: () => store.close() };
    },
  },
  { histories: 20, calls: 300 },
);
