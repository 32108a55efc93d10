import assert from "node:assert/strict";
import { test } from "node:test";
import { triggerRules } from "@holdfast/protocol";
import fc from "fast-check";
import { judgeRule, outcomeOf } from "./rules.ts";

const few = fc.nat(4);
const someCounts = fc
  .record({ succeeded: few, failed: few, skipped: few })
  .filter(({ succeeded, failed, skipped }) => succeeded + failed + skipped > 0);

test("each rule starts on exactly the counts that it names", () => {
  fc.assert(
    fc.property(someCounts, (counts) => {
      const { succeeded, failed, skipped } = counts;
      const starts = triggerRules.filter((rule) => judgeRule(rule, counts) === "start");
      assert.equal(starts.includes("all_done"), true);
      assert.equal(starts.includes("all_success"), failed === 0 && skipped === 0);
      assert.equal(starts.includes("none_failed"), failed === 0);
      assert.equal(starts.includes("one_success"), succeeded > 0);
    }),
  );
});

test("a refusal says that an upstream failed if one did, else that one was skipped", () => {
  fc.assert(
    fc.property(someCounts, fc.constantFrom(...triggerRules), (counts, rule) => {
      const verdict = judgeRule(rule, counts);
      if (verdict === "start") return;
      assert.equal(verdict.code, counts.failed > 0 ? "upstream_failed" : "upstream_skipped");
      assert.ok(verdict.message.endsWith("."));
    }),
  );
});

test("a skip because of a failure counts as a failure, any other skip as a skip", () => {
  const skipped = (code: string) => outcomeOf({ status: "skipped", error: { code, message: "" } });
  assert.equal(skipped("upstream_failed"), "failed");
  assert.equal(skipped("upstream_skipped"), "skipped");
  assert.equal(skipped("skipped_by_task"), "skipped");
  assert.equal(skipped("condition_false"), "skipped");
  assert.equal(outcomeOf({ status: "skipped", error: null }), "skipped");
});

test("a success is a success, and every other end is a failure", () => {
  assert.equal(outcomeOf({ status: "succeeded", error: null }), "succeeded");
  assert.equal(outcomeOf({ status: "failed", error: null }), "failed");
  assert.equal(outcomeOf({ status: "cancelled", error: null }), "failed");
});
