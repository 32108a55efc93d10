import { setTimeout as delay } from "node:timers/promises";
import { isEnded, type Json } from "@holdfast/protocol";
import type { RunRow } from "../../server/src/core/index.ts";
import type { Chance } from "../../server/src/store/contract/chance.contract.ts";
import type { Store } from "../../server/src/store/store.ts";
import type { Root } from "./campaign-options.ts";
import type { Pausable } from "./node.ts";
import type { Asked } from "./node-process.ts";
import { until } from "./processes.ts";
import { patiently } from "./topic-reader.ts";
import { calm, type Expected, expectTask, expectWorkflow, type Workload } from "./workload.ts";

/** Something is paused for a moment and resumed: it takes longer, but nothing may end otherwise for it, or stay where it stood. */
export async function holdUp(
  { chance, roots, workload }: { chance: Chance; roots: readonly Root[]; workload: Workload },
  insist: (question: { readonly pause: Pausable } | { readonly resume: Pausable }) => Promise<unknown>,
): Promise<void> {
  const root = roots.findLast(({ id }) => id !== undefined);
  const target = chance.pick<Pausable>([
    { kind: "queue", name: "default" },
    { kind: "definition", name: chance.pick(["unit", "metered", ...workload.flows]) },
    { kind: "run", name: root?.id ?? "" },
  ]);
  if (target.name === "") return;
  await insist({ pause: target });
  await delay(chance.between(20, 400));
  await insist({ resume: target });
}

/** A campaign as somebody sees it who meddles with its runs. */
interface Meddling {
  readonly campaign: {
    readonly chance: Chance;
    readonly workload: Workload;
    readonly store: Store;
    start(definition: string, expected: Expected, request?: { input?: Json; priority?: number }): Root;
  };
  readonly isClosed: () => boolean;
  readonly insist: (question: Asked) => Promise<unknown>;
}

const patienceMs = 180_000;

/**
 * A run is let start again once it has ended, whatever is struck meanwhile: under one key, so that it starts once more and no more. It
 * ends again as it ended before.
 */
export async function startAgain({ campaign, isClosed, insist }: Meddling): Promise<void> {
  const { chance, workload } = campaign;
  const finale = chance.pick(["fatal", "succeed"] as const);
  const script = { ...calm, steps: 1, finale };
  const flow = chance.pick(workload.flows);
  const root = chance.happens(0.7)
    ? campaign.start("unit", expectTask(script), { input: { ...script }, priority: 10 })
    : campaign.start(flow, expectWorkflow(flow, workload), { priority: 10 });
  const run = await seen(root, campaign.store, isClosed, ({ status }) => isEnded(status));
  if (run === undefined) return;
  const how = finale === "fatal" && root.definition === "unit" ? "retry" : chance.pick(["fresh", "resume"] as const);
  await insist({ restart: run.id, how, key: `again ${root.key}` });
  root.restarts += 1;
}

/** Somebody says how a run ends that would sit for ever; its process ends with it. */
export async function decideEnd({ campaign, isClosed, insist }: Meddling): Promise<void> {
  const expected = { status: "skipped", outcome: "skipped" } as const;
  const root = campaign.start("sitter", expected, { input: { ...calm, finale: "sit" }, priority: 10 });
  const isLive = campaign.chance.pick(["ready", "running"]);
  const run = await seen(root, campaign.store, isClosed, ({ status }) => isLive === "ready" || status === isLive);
  if (run !== undefined) await insist({ mark: run.id, key: `mark ${root.key}` });
}

/** The run once it is so; undefined when the campaign is over. */
function seen(
  root: Root,
  store: Store,
  isClosed: () => boolean,
  isSo: (run: RunRow) => boolean,
): Promise<RunRow | undefined> {
  return until<RunRow | undefined | "over">(
    `${root.key} is so far`,
    async () => {
      if (isClosed()) return "over";
      if (root.id === undefined) return undefined;
      const { id } = root;
      const run = await patiently(isClosed, () => store.findRun({ id }));
      return run !== undefined && isSo(run) ? run : undefined;
    },
    patienceMs,
  ).then((run) => (run === "over" ? undefined : run));
}
