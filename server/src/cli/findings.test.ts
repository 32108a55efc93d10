// Faults to catch: a clock that is off by the length of a slow answer, one that is said to be off the wrong way, a folder that
// others may write and that is called well.
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { clockFinding, folderFindings, memberFinding, obligationFinding } from "./findings.ts";

test("clocks are compared without the time that the answer took", () => {
  const slow = clockFinding({ now: 5_000, startedAt: 1_000, endedAt: 9_000 });
  assert.deepEqual([slow.state, slow.said], ["ok", "the store's and this machine's: no difference"]);
  assert.match(clockFinding({ now: 900, startedAt: 1_000, endedAt: 1_100 }).said, /100 ms/);
  const behind = clockFinding({ now: 1_000, startedAt: 61_000, endedAt: 61_010 });
  assert.deepEqual([behind.state, behind.said], ["warn", "the store's is 1m behind this machine's"]);
  assert.match(clockFinding({ now: 61_010, startedAt: 1_000, endedAt: 1_010 }).said, /1m ahead of this/);
});

test("a folder is looked at when it is there: whose it is, who may write in it, and whether it is one", (t) => {
  const root = folder(t);
  assert.deepEqual(folderFindings(root), []);
  const state = join(root, ".holdfast");
  mkdirSync(state);
  chmodSync(state, 0o755);
  assert.deepEqual(
    folderFindings(root).map(({ what, state }) => [what, state]),
    [
      ["folder", "ok"],
      ["disk", "ok"],
    ],
  );
  chmodSync(state, 0o777);
  const [open] = folderFindings(root);
  assert.equal(open?.state, "warn");
  assert.match(open?.hint ?? "", /chmod o-w/);
  rmSync(state, { recursive: true });
  writeFileSync(state, "");
  assert.equal(folderFindings(root)[0]?.state, "wrong");
});

function folder(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), "holdfast-doctor-"));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

test("what was told to end and goes on is spoken of once it is old, with its node and what to do", () => {
  const now = Date.parse("2026-01-01T12:00:00Z");
  const of = (runId: string, orderedAt: string) => ({
    ...{ kind: "activation" as const, runId, subject: "1", node: "n", reason: "", forcedAt: null, tries: 1 },
    ...{ lastTryAt: null, error: null, metAt: null, orderedAt },
  });
  const young = of("young", "2026-01-01T11:59:00Z");
  assert.deepEqual(obligationFinding({ obligations: [young, young], more: false }, now), {
    what: "to be ended",
    state: "ok",
    said: "2 processes under way to their end, the first told 1m ago",
  });
  assert.equal(obligationFinding({ obligations: [], more: false }, now).said, "nothing that was told to end goes on");
  const { state, said, hint } = obligationFinding(
    { obligations: [of("old", "2026-01-01T10:00:00Z"), young], more: false },
    now,
  );
  assert.deepEqual([state, said], ["warn", "1 process that was told to end goes on, the first for 2h (n)"]);
  assert.match(hint ?? "", /holdfast why old/);
});

test("a node that is silent for longer than its lease is told of, and that nothing starts where no other is there", () => {
  const timed = { now: 100_000, timedLeases: true };
  const here = { name: "vm/1", leaseUntil: 110_000, serves: {} };
  const late = { name: "vm/2", leaseUntil: 80_000, serves: {} };
  const looking = { name: "holdfast doctor", leaseUntil: 110_000, serves: null };
  assert.deepEqual(memberFinding([here], timed), { what: "members", state: "ok", said: "vm/1" });
  const one = memberFinding([here, late], timed);
  assert.deepEqual([one.state, one.said], ["warn", "vm/1, vm/2 (silent: its lease ran out 20s ago)"]);
  const none = memberFinding([late, looking], timed);
  assert.equal(none.state, "wrong");
  assert.match(none.hint ?? "", /^Nothing starts\. .*holdfast server\.$/);
  assert.equal(memberFinding([late], { ...timed, timedLeases: false }).state, "ok");
  assert.match(memberFinding([], timed).said, /^none: /);
});
