import { after, before } from "node:test";
import { systemClock } from "../../clock.ts";
import { mergeCalls } from "../merging.ts";
import { type ContractHarness, storeContract } from "../store.contract.ts";
import type { Store } from "../store.ts";
import { TestDatabase } from "./database.fixture.ts";

let database: TestDatabase;

before(async () => {
  database = await TestDatabase.create();
});
after(() => database.drop());

/** Cases come one after the other, so that they can share connections and prepared statements; only closed stores are replaced. */
function harness(open: () => Promise<Store>): () => Promise<ContractHarness> {
  const doors: Store[] = [];
  const door = async (index: number): Promise<Store> => {
    const standing = doors[index];
    const isOpen =
      standing !== undefined &&
      (await standing.describe().then(
        () => true,
        () => false,
      ));
    const store = isOpen ? standing : await open();
    doors[index] = store;
    return store;
  };
  return async () => ({
    store: await door(0),
    second: () => door(1),
    advance: (ms) => database.advance(ms),
    close: () => database.empty(),
  });
}

const subject = { clock: "real", timedLeases: true, second: true } as const;

storeContract("postgres", { ...subject, open: harness(() => database.open()) });

storeContract("postgres without prepared statements, calls merged", {
  ...subject,
  open: harness(async () => mergeCalls(await database.open({ prepare: false }), { clock: systemClock })),
});
