import { canonicalText } from "@holdfast/protocol";
import { Chance } from "../contract/chance.contract.ts";
import { CallSource, type StoreCall } from "../contract/history-calls.contract.ts";
import { hourMs } from "../contract/world.contract.ts";
import { openMemoryStore } from "../memory/memory-store.ts";
import { FileContent } from "./content.ts";
import type { SimulatedDisk } from "./disk.fixture.ts";
import { FileKeeper } from "./file-keeper.ts";
import { load } from "./loading.ts";

// For tests: what happens to a file store, call by call, and what then lies on its disk.

export const folder = "/simulated";
const start = 1_800_000_000_000;

/** A call at its moment. */
export interface Moment {
  readonly call: StoreCall;
  readonly now: number;
}

/** Random calls that mean something. */
export async function drawCalls(seed: number, count: number): Promise<Moment[]> {
  let now = start;
  const model = openMemoryStore({ clock: { now: () => now } });
  const chance = new Chance(seed);
  const times = {
    startsMs: [1, 1_000, 60_000, hourMs],
    delaysMs: [0, 1, 1_000, 60_000, hourMs],
    leasesMs: [1_000 * hourMs],
    retentionsMs: [1, 60_000],
    limits: true,
    fair: true,
    pauses: true,
    jobs: true,
  } as const;
  const source = new CallSource(chance, model, times);
  const moments: Moment[] = [];
  for (let index = 0; index < count; index++) {
    now += chance.pick([2, 2, 5, 1_000, 70_000]);
    const drawn = await source.draw(now);
    const args = { runsMs: chance.pick([0, hourMs]), logsMs: 0, limitRows: 5_000 };
    const call: StoreCall = chance.happens(0.05) ? { verb: "prune", args } : drawn;
    const verb = model[call.verb] as (this: typeof model, args: object) => Promise<unknown>;
    await verb.call(model, call.args).catch(() => {});
    moments.push({ call, now });
  }
  return moments;
}

/** A keeper that compacts all the time, in small pieces. */
export function openKeeper(disk: SimulatedDisk, notice: (text: string) => void = () => {}): FileKeeper {
  return new FileKeeper({ disk, folder, migrate: true, compactionBytes: 3_000, sliceBytes: 2_000 }, start, notice);
}

/** Carries a call out and does a piece of housekeeping; whether it was acknowledged, if only by a refusal of its own. */
export async function carryOut(keeper: FileKeeper, { call, now }: Moment): Promise<boolean> {
  const request = JSON.parse(JSON.stringify({ id: 1, remote: true, ...call }));
  const { answers } = await keeper.carryOut([request], now);
  const code = answers[0]?.error?.code;
  if (code === "internal" || code === "store_unavailable" || code === "store_full") return false;
  keeper.tidy();
  return true;
}

/** Everything that a reader of the disk finds, as text, but for the owner's boots. Changes nothing. */
export function readBack(disk: SimulatedDisk): string {
  const content = new FileContent({ now: () => start }, new Set());
  load(disk, folder, (changes) => content.restore(changes));
  return textOf(content);
}

/** Everything in a content, but for the owner's boots. */
export function textOf(content: FileContent): string {
  const lines = [...content.whole()].filter(({ is }) => is !== "boot");
  return lines.map((line) => canonicalText(JSON.parse(JSON.stringify(line)))).join("\n");
}
