import { after, before } from "node:test";
import { storeHistories } from "../contract/histories.contract.ts";
import type { Store } from "../store.ts";
import { TestDatabase } from "./database.fixture.ts";

let database: TestDatabase;
let store: Store;

before(async () => {
  database = await TestDatabase.create();
  store = await database.open();
});
after(() => database.drop());

// Histories come one after the other, so that they can share a store.
storeHistories(
  "postgres",
  { clock: "real", timedLeases: true, second: false, open: async () => ({ store, close: () => database.empty() }) },
  { histories: 4, calls: 150 },
);
