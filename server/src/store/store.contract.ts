import { describe, test } from "node:test";
import { assetsContract } from "./contract/assets.contract.ts";
import { cancelContract } from "./contract/cancel.contract.ts";
import { claimContract } from "./contract/claim.contract.ts";
import { cleanUpsContract } from "./contract/clean-ups.contract.ts";
import { clearContract } from "./contract/clear.contract.ts";
import { consumersContract } from "./contract/consumers.contract.ts";
import { definitionsContract } from "./contract/definitions.contract.ts";
import { doorbellContract } from "./contract/doorbell.contract.ts";
import { dueContract } from "./contract/due.contract.ts";
import { enqueueContract } from "./contract/enqueue.contract.ts";
import { eventsContract } from "./contract/events.contract.ts";
import { expandContract } from "./contract/expand.contract.ts";
import { fairContract } from "./contract/fair.contract.ts";
import { finishContract } from "./contract/finish.contract.ts";
import { graphContract } from "./contract/graph.contract.ts";
import { jobOrdersContract } from "./contract/job-orders.contract.ts";
import { jobsContract } from "./contract/jobs.contract.ts";
import { keysContract } from "./contract/keys.contract.ts";
import { limitsContract } from "./contract/limits.contract.ts";
import { listsContract } from "./contract/lists.contract.ts";
import { logsContract } from "./contract/logs.contract.ts";
import { marksContract } from "./contract/marks.contract.ts";
import { membersContract } from "./contract/members.contract.ts";
import { nestingContract } from "./contract/nesting.contract.ts";
import { objectsContract } from "./contract/objects.contract.ts";
import { obligationsContract } from "./contract/obligations.contract.ts";
import { pagesContract } from "./contract/pages.contract.ts";
import { pausesContract } from "./contract/pauses.contract.ts";
import { pruneContract } from "./contract/prune.contract.ts";
import { ratesContract } from "./contract/rates.contract.ts";
import { requestsContract } from "./contract/requests.contract.ts";
import { restartsContract } from "./contract/restarts.contract.ts";
import { revivalsContract } from "./contract/revivals.contract.ts";
import { schedulesContract } from "./contract/schedules.contract.ts";
import { spreadContract } from "./contract/spread.contract.ts";
import { stateContract } from "./contract/state.contract.ts";
import { stateLimitsContract } from "./contract/state-limits.contract.ts";
import { stateListsContract } from "./contract/state-lists.contract.ts";
import { stateStepsContract } from "./contract/state-steps.contract.ts";
import { stepsContract } from "./contract/steps.contract.ts";
import { waitsContract } from "./contract/waits.contract.ts";
import { type Contract, type ContractSubject, World } from "./contract/world.contract.ts";

export type { ContractHarness, ContractSubject } from "./contract/world.contract.ts";

/** What a subject of the contract is checked for; the parts that need more than every store has look at the subject. */
const parts: Readonly<Record<string, (contract: Contract, subject: ContractSubject) => void>> = {
  definitions: definitionsContract,
  enqueue: enqueueContract,
  claim: claimContract,
  finish: finishContract,
  expand: expandContract,
  graph: graphContract,
  cancel: cancelContract,
  spread: spreadContract,
  due: dueContract,
  limits: limitsContract,
  keys: keysContract,
  rates: ratesContract,
  fair: fairContract,
  pauses: pausesContract,
  schedules: schedulesContract,
  restarts: restartsContract,
  "clears of what has not ended": clearContract,
  revivals: revivalsContract,
  marks: marksContract,
  obligations: obligationsContract,
  "clean-ups": cleanUpsContract,
  requests: requestsContract,
  members: membersContract,
  steps: stepsContract,
  state: stateContract,
  "state of bodies": stateStepsContract,
  "lists of state": stateListsContract,
  "limits of state": stateLimitsContract,
  assets: assetsContract,
  consumers: consumersContract,
  "objects of state": objectsContract,
  nesting: nestingContract,
  waits: waitsContract,
  jobs: jobsContract,
  "orders for jobs": jobOrdersContract,
  logs: logsContract,
  events: eventsContract,
  lists: listsContract,
  pages: pagesContract,
  prune: pruneContract,
  doorbell: doorbellContract,
};

/** Holds a store to the words of store.ts. Each case has a store of its own, opened and closed by the subject. */
export function storeContract(name: string, subject: ContractSubject): void {
  const contract: Contract = (sentence, body) => {
    test(sentence, async () => {
      const harness = await subject.open();
      try {
        await body(new World(harness));
      } finally {
        await harness.close();
      }
    });
  };
  describe(`the contract of stores, kept by ${name}`, () => {
    for (const [part, register] of Object.entries(parts)) describe(part, () => register(contract, subject));
  });
}
