import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { test } from "node:test";
import { Chance } from "../contract/chance.contract.ts";
import { SimulatedDisk } from "./disk.fixture.ts";
import { carryOut, drawCalls, type Moment, openKeeper, readBack } from "./scenario.fixture.ts";

// Faults to catch: an answer before the sync, a journal or snapshot whose name is not synced before others rely on it, older
// files that are removed too early, a snapshot that readers take before it is whole, a torn tail that is taken for damage or
// left in place, a recovery that does not survive a crash of its own.

const callsPerRun = 80;
const seeds =
  process.env.HOLDFAST_SEED === undefined ? [1, 2, randomInt(2 ** 31)] : [Number(process.env.HOLDFAST_SEED)];

/** What the store holds after each call, and how many steps of the disk all of it took. */
async function reference(moments: readonly Moment[]): Promise<{ contents: string[]; steps: number }> {
  const disk = new SimulatedDisk();
  const keeper = openKeeper(disk);
  const contents = [readBack(disk)];
  for (const moment of moments) {
    assert.ok(await carryOut(keeper, moment));
    contents.push(readBack(disk));
  }
  keeper.close();
  return { contents, steps: disk.steps };
}

/** Plays the calls on a disk under a process that dies; answers how many were acknowledged. */
async function playUntilDeath(disk: SimulatedDisk, moments: readonly Moment[]): Promise<number> {
  let acknowledged = 0;
  try {
    const keeper = openKeeper(disk);
    for (const moment of moments) {
      if (!(await carryOut(keeper, moment))) break;
      acknowledged += 1;
    }
    if (acknowledged === moments.length) keeper.close();
  } catch {
    // It died while it opened.
  }
  return acknowledged;
}

for (const seed of seeds) {
  test(`a process that dies at any step of its disk loses nothing acknowledged (HOLDFAST_SEED=${seed})`, async (t) => {
    const moments = await drawCalls(seed, callsPerRun);
    const { contents, steps } = await reference(moments);
    const chance = new Chance(seed);
    for (let step = 1; step <= steps; step++) {
      const disk = new SimulatedDisk();
      disk.dieAt = step;
      const acknowledged = await playUntilDeath(disk, moments);
      let left = disk.afterCrash(chance);
      // Whoever repairs it dies too, once or twice.
      for (let deaths = chance.below(3); deaths > 0; deaths--) {
        left.dieAt = 1 + chance.below(12);
        await playUntilDeath(left, []);
        left = left.afterCrash(chance);
      }
      const keeper = openKeeper(left);
      const place = `seed ${seed}, step ${step} of ${steps}, ${acknowledged} calls acknowledged`;
      const found = contents.indexOf(readBack(left), acknowledged);
      assert.ok(found !== -1 && found <= acknowledged + 1, `${place}: what is left is content ${found}`);
      // It goes on, and what it says from now on is kept too.
      const next = moments[acknowledged] ?? moments[0];
      assert.ok(next !== undefined && (await carryOut(keeper, next)), place);
      const goesOn = readBack(left.afterCrash(chance));
      assert.equal(readBack(left), goesOn, place);
      keeper.close();
    }
    t.diagnostic(`${steps} steps`);
  });
}
