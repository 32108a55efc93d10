import { after, before } from "node:test";
import { systemClock } from "../../clock.ts";
import { mergeCalls } from "../merging.ts";
import { storeContract } from "../store.contract.ts";
import { TestDatabase } from "./database.fixture.ts";

let database: TestDatabase;

before(async () => {
  database = await TestDatabase.create();
});
after(() => database.drop());

storeContract("postgres", {
  clock: "real",
  timedLeases: true,
  second: true,
  async open() {
    const store = await database.open();
    return { store, second: () => database.open(), close: () => database.empty() };
  },
});

storeContract("postgres without prepared statements, calls merged", {
  clock: "real",
  timedLeases: true,
  second: true,
  async open() {
    const store = mergeCalls(await database.open({ prepare: false }), { clock: systemClock });
    return { store, second: () => database.open({ prepare: false }), close: () => database.empty() };
  },
});
