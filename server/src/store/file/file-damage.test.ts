import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { test } from "node:test";
import { type AppError, isAppError } from "@holdfast/protocol";
import { Chance } from "../contract/chance.contract.ts";
import { SimulatedDisk } from "./disk.fixture.ts";
import { FileKeeper } from "./file-keeper.ts";
import { decodeLine, encodeLine, splitLines } from "./lines.ts";
import { carryOut, drawCalls, folder, openKeeper, readBack } from "./scenario.fixture.ts";

// Faults to catch: a line that is taken without its sum, damage in the middle that passes for a torn tail, a tail that is cut
// off in silence, a refusal without its place, a refused folder that was changed.

const trials = 200;
const seed = Number(process.env.HOLDFAST_SEED ?? randomInt(2 ** 31));

/** A disk, and what a reader found on it after each call that changed something. With `isClosed` its owner ended in order. */
async function played(
  count: number,
  isClosed: boolean,
  open: (disk: SimulatedDisk) => FileKeeper = openKeeper,
): Promise<{ disk: SimulatedDisk; contents: string[] }> {
  const disk = new SimulatedDisk();
  const keeper = open(disk);
  const contents: string[] = [];
  for (const moment of await drawCalls(seed, count)) {
    assert.ok(await carryOut(keeper, moment));
    const content = readBack(disk);
    if (content !== contents.at(-1)) contents.push(content);
  }
  if (isClosed) keeper.close();
  return { disk, contents };
}

function refusal(disk: SimulatedDisk, notices: string[] = []): AppError | undefined {
  try {
    openKeeper(disk, (text) => notices.push(text));
    return undefined;
  } catch (error) {
    if (isAppError(error)) return error;
    throw error;
  }
}

function offsetOfLastLine(content: Buffer): number {
  return content.lastIndexOf(10, content.length - 2) + 1;
}

for (const isClosed of [true, false]) {
  const end = isClosed ? "was closed" : "was killed";
  test(`a byte that changed in a store that ${end} is refused with its place, or cut off with its line at the end and said (HOLDFAST_SEED=${seed})`, async (t) => {
    const chance = new Chance(seed);
    let refusals = 0;
    let cuts = 0;
    for (const calls of [25, 60, 90]) {
      const { disk, contents } = await played(calls, isClosed);
      const whole = contents.at(-1);
      const journal = disk.list().filter((name) => name.startsWith("journal"));
      const last = journal.sort((a, b) => a.length - b.length || (a < b ? -1 : 1)).at(-1);
      for (let trial = 0; trial < trials; trial++) {
        const name = chance.pick(disk.list() as [string, ...string[]]);
        const content = disk.content(name);
        const at = chance.below(content.length);
        content[at] = ((content[at] ?? 0) + 1 + chance.below(255)) % 256;
        const bad = disk.withContent(name, content);
        const place = `seed ${seed}: byte ${at} of ${name}`;
        const notices: string[] = [];
        const error = refusal(bad, notices);
        if (error === undefined) {
          const isUsed = !name.endsWith(".new");
          const found = contents.lastIndexOf(readBack(bad));
          if (!isUsed) assert.equal(readBack(bad), whole, place);
          else {
            // The line that leads to a next journal may be cut off as well while nothing has been written there.
            if (name !== last) assert.equal(readBack(bad), whole, place);
            assert.ok(at >= offsetOfLastLine(disk.content(name)), `${place} is not in the last line`);
            assert.ok(notices.length === 1, `${place} was cut off in silence`);
            assert.ok(found >= contents.length - 2, place);
            if (isClosed) assert.equal(readBack(bad), whole, place);
            cuts += 1;
          }
          continue;
        }
        refusals += 1;
        assert.deepEqual(bad.content(name), content, `${place}: the refused file was changed`);
        if (error.code === "store_newer") continue;
        assert.equal(error.code, "internal", place);
        const details = error.details as { file: string; line: number; offset: number };
        assert.equal(details.file, name, place);
        assert.ok(details.offset <= at, `${place} is said to be at ${details.offset}`);
        const before = disk.content(name).subarray(0, details.offset);
        assert.equal(before.filter((byte) => byte === 10).length, details.line - 1, place);
        assert.equal(disk.content(name).subarray(details.offset, at).indexOf(10), -1, `${place}: the line before it`);
        assert.ok(error.hint?.includes("backup"), place);
      }
    }
    t.diagnostic(`${refusals} refused, ${cuts} cut off`);
    assert.ok(refusals > trials);
  });
}

const uncompacted = (disk: SimulatedDisk) => new FileKeeper({ disk, folder, migrate: true }, 0, () => {});

test("the cut that a refusal proposes opens the store with what came before that place", async () => {
  const { disk, contents } = await played(40, false, uncompacted);
  const name = "journal-1.jsonl";
  const content = disk.content(name);
  const lines = [...splitLines([content])];
  const middle = lines[lines.length >> 1];
  assert.ok(middle);
  content.fill(0x5a, middle.offset + 30, middle.offset + 40);
  const bad = disk.withContent(name, content);
  const hint = refusal(bad)?.hint ?? "";
  const [, bytes, file] = /truncate -s (\d+) (\S+)`/.exec(hint) ?? [];
  assert.equal(file, name);
  const cut = bad.withContent(name, bad.content(name).subarray(0, Number(bytes)));
  assert.equal(refusal(cut), undefined);
  assert.ok(contents.slice(0, -1).includes(readBack(cut)), "what was kept before the place");
});

test("a line that stands twice, or not at its place, is refused", async () => {
  const { disk } = await played(25, false, uncompacted);
  const name = "journal-1.jsonl";
  const lines = disk.content(name).toString().split("\n").slice(0, -1);
  const [a = "", b = "", c = "", ...rest] = lines;
  for (const wrong of [
    [a, b, b, c, ...rest],
    [a, c, b, ...rest],
    [a, c, ...rest],
    [b, c, ...rest],
  ]) {
    const error = refusal(disk.withContent(name, Buffer.from(`${wrong.join("\n")}\n`)));
    assert.equal(error?.code, "internal");
    assert.match(error?.message ?? "", /journal-\d+\.jsonl, line \d/);
  }
});

test("a file that is missing, or has no end, is refused by name", async () => {
  const { disk } = await played(60, true);
  for (const name of disk.list()) {
    const without = disk.copy();
    without.remove(name);
    const cut = disk.withContent(name, Buffer.alloc(0));
    for (const bad of [without, cut]) {
      // Without its snapshot the newest generation is not known, and the journals alone tell that something is missing.
      assert.match(refusal(bad)?.message ?? "", /is damaged: .*(?:journal|snapshot)-\d+\.jsonl/, name);
    }
  }
});

test("a store of a later format is refused as newer, and left as it is", async () => {
  const { disk } = await played(25, true);
  const name = disk.list().find((one) => one.startsWith("journal")) ?? "";
  const [header, ...rest] = disk.content(name).toString().split("\n");
  const body = decodeLine(Buffer.from(header ?? ""));
  assert.ok(body && "header" in body);
  const later = encodeLine({ ...body, header: { ...body.header, format: 2 } });
  const changed = Buffer.concat([later, Buffer.from(rest.join("\n"))]);
  const newer = disk.withContent(name, changed);
  assert.equal(refusal(newer)?.code, "store_newer");
  assert.deepEqual(newer.content(name), changed);
});
