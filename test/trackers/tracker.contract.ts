import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { type Json, type PollResult, type TrackedJob, TrackingError, type TrackingFailure } from "@holdfast/protocol";
import type { Connections } from "../../server/src/trackers/connections.ts";
import { ask, openConnections } from "../../server/src/trackers/service.fixture.ts";
import { HeldClock } from "../clouds/clock.ts";
import { type Clouds, openClouds } from "../clouds/clouds.ts";
import type { Fault, FaultRule } from "../clouds/faults.ts";
import type { Job } from "../clouds/world.ts";
import { signInAtFakes } from "./sign-in.ts";
import type { Subject } from "./subjects.ts";

// What every tracker promises, whatever its service. Faults to catch: one submission that makes two jobs, or none (P5); a job that ends by
// an error that passes, by an answer that makes no sense, or by a state that nobody knows; a job that is gone told as a success; a cancel
// that does not arrive; credentials that have run out and are not renewed.

const patience = 400;

export function testTracker(subject: Subject): void {
  const { service, fake } = subject;
  describe(`the tracker of ${service}`, { timeout: 120_000 }, () => {
    let clouds: Clouds;
    let open: Connections;
    const clock = new HeldClock();
    const address = { service, connection: null };
    const connect = (callMs: number) =>
      openConnections({ [service]: subject.settings(clouds.url) }, { callMs, now: () => clock.nowMs() });

    before(async () => {
      clouds = await openClouds({ clock });
      signInAtFakes(clouds.url);
      open = connect(60_000);
    });
    after(async () => {
      await open.close();
      await clouds.close();
    });
    beforeEach(() => {
      clouds.server.faults.clear();
      clouds.server.world.clear();
    });

    const jobs = (): Job[] => clouds.server.world.list(fake);
    const fault = (operation: string, what: Fault, more: Partial<FaultRule> = {}) =>
      clouds.server.faults.add({ match: { service: fake, operation }, fault: what, ...more });
    const calls = (operation: string) => clouds.server.calls.list({ service: fake, operation });

    async function prepared(token: string): Promise<Json> {
      return (await ask(open, "prepare", { ...address, spec: subject.spec, token })).spec;
    }
    async function started(token: string): Promise<TrackedJob> {
      return await ask(open, "submit", { ...address, spec: await prepared(token), token });
    }
    async function poll(ref: Json, connections = open): Promise<PollResult> {
      const [result] = await ask(connections, "poll", { ...address, refs: [ref] });
      assert.ok(result !== undefined);
      return result;
    }
    async function phase(ref: Json, connections = open): Promise<string> {
      const result = await poll(ref, connections);
      if ("observation" in result) return result.observation.phase;
      return `${result.failure.fault} ${result.failure.code}`;
    }
    async function failed(asked: Promise<unknown>): Promise<TrackingFailure> {
      const error = await asked.then(
        () => undefined,
        (one: unknown) => one,
      );
      assert.ok(error instanceof TrackingError, String(error));
      return error.failure;
    }
    /** What the token has started, as its class lets it be found, or started then. */
    async function recovered(token: string): Promise<TrackedJob> {
      const spec = await prepared(token);
      if (subject.submission === "listed") {
        const found = await ask(open, "find", { ...address, spec, token });
        if (found !== null) return found;
      }
      return await ask(open, "submit", { ...address, spec, token });
    }

    test("says its class, and prepares without a call", async () => {
      const before = clouds.server.calls.list({ service: fake }).length;
      const { submission, job } = await ask(open, "prepare", { ...address, spec: subject.spec, token: "class" });
      assert.equal(submission, subject.submission);
      if (submission === "listed") assert.equal(job, null);
      assert.equal(clouds.server.calls.list({ service: fake }).length, before);
    });

    test("follows a job from its start to its success", async () => {
      const { ref, externalId } = await started("life");
      assert.equal(jobs().length, 1);
      assert.notEqual(externalId, "");
      const seen = [await phase(ref)];
      for (let steps = 0; steps < 12; steps++) {
        clock.advance(100);
        const next = await phase(ref);
        if (next !== seen.at(-1)) seen.push(next);
      }
      assert.deepEqual(seen, ["queued", "running", "succeeded"]);
      const adopted = await ask(open, "adopt", { ...address, ref });
      assert.deepEqual(adopted.ref, ref);
    });

    test("tells a failure with what the service says about it", async () => {
      const { ref } = await started("bad");
      const [job] = jobs();
      assert.ok(job !== undefined);
      clouds.server.world.turn(job, { phase: "failed", message: "the disk is full" });
      const result = await poll(ref);
      assert.ok("observation" in result);
      assert.equal(result.observation.phase, "failed");
      assert.match(result.observation.message ?? "", /the disk is full/);
    });

    test("makes one job of a token, however often it is said", async () => {
      const first = await started("once");
      const again = await recovered("once");
      assert.deepEqual(again.ref, first.ref);
      assert.equal(jobs().length, 1);
      const other = await started("twice");
      assert.notDeepEqual(other.ref, first.ref);
      assert.equal(jobs().length, 2);
    });

    for (const how of ["lost", "malformed", "truncated"] as const) {
      test(`finds what it has started when the answer is ${how}`, async () => {
        fault(subject.submits, { kind: how }, { times: 1 });
        const failure = await failed(started(`a-${how}`));
        assert.deepEqual([failure.fault, failure.undecided], ["transient", true]);
        const { ref } = await recovered(`a-${how}`);
        assert.equal(jobs().length, 1);
        assert.equal(await phase(ref), "queued");
      });
    }

    test("finds what it has started when no answer comes", async () => {
      const impatient = connect(patience);
      fault(subject.submits, { kind: "lost", how: "hang" }, { times: 1 });
      const spec = await prepared("hang");
      const failure = await failed(ask(impatient, "submit", { ...address, spec, token: "hang" }));
      await impatient.close();
      assert.deepEqual([failure.fault, failure.code, failure.undecided], ["transient", "timeout", true]);
      await recovered("hang");
      assert.equal(jobs().length, 1);
    });

    test("starts what has not been started: the call never arrived, or was refused, and it says which", async () => {
      fault(subject.submits, { kind: "reset" }, { times: 1 });
      assert.equal((await failed(started("reset"))).undecided, true);
      await recovered("reset");
      assert.equal(jobs().length, 1);
      fault(subject.submits, { kind: "status", status: 429, retryAfter: 7 }, { times: 1 });
      const crowded = await failed(started("crowded"));
      assert.deepEqual([crowded.fault, crowded.retryAfterMs, crowded.undecided], ["transient", 7_000, undefined]);
      fault(subject.submits, { kind: "status", status: 403 }, { times: 1 });
      const denied = await failed(started("crowded"));
      assert.deepEqual([denied.fault, denied.undecided], ["permanent", undefined]);
      assert.equal(jobs().length, 1);
      await started("crowded");
      assert.equal(jobs().length, 2);
    });

    test("never ends a job by an error of a look at it", async () => {
      const { ref } = await started("looks");
      const impatient = connect(patience);
      const cases: readonly [RegExp, Fault][] = [
        [/^transient /, { kind: "status", status: 429, retryAfter: 3 }],
        [/^transient /, { kind: "status", status: 500 }],
        [/^transient /, { kind: "status", status: 503 }],
        [/^transient /, { kind: "page", status: 502 }],
        [/^transient malformed_answer/, { kind: "page", status: 200 }],
        [/^transient malformed_answer/, { kind: "malformed" }],
        [/^transient /, { kind: "truncated" }],
        [/^transient /, { kind: "reset" }],
        [/^auth /, { kind: "status", status: 401 }],
        [/^permanent /, { kind: "status", status: 403 }],
        [/^permanent /, { kind: "status", status: 400 }],
      ];
      for (const [expected, what] of cases) {
        fault(subject.gets, what);
        assert.match(await phase(ref), expected, JSON.stringify(what));
        clouds.server.faults.clear();
      }
      fault(subject.gets, { kind: "hang" });
      assert.match(await phase(ref, impatient), /^transient timeout/);
      await impatient.close();
      clouds.server.faults.clear();
      fault(subject.gets, { kind: "status", status: 429, retryAfter: 3 });
      const crowded = await poll(ref);
      assert.ok("failure" in crowded && crowded.failure.retryAfterMs === 3_000);
      fault(subject.gets, { kind: "status", status: 429, retryAfter: new Date(clock.nowMs() + 90_000).toUTCString() });
      const later = await poll(ref);
      assert.ok("failure" in later && Math.abs((later.failure.retryAfterMs ?? 0) - 90_000) < 1_000);
      clouds.server.faults.clear();
      assert.equal(await phase(ref), "queued");
    });

    test("asks once more with new credentials where they are refused, and not without end", async () => {
      const { ref } = await started("auth");
      const before = calls(subject.gets).length;
      fault(subject.gets, { kind: "status", status: 401 });
      assert.match(await phase(ref), /^auth /);
      assert.equal(calls(subject.gets).length - before, subject.callsWhenRefused);
      clouds.server.faults.clear();
      clouds.server.world.tokens.expireAll();
      assert.equal(await phase(ref), "queued", "new credentials are had");
    });

    test("tells of a job that is not there (any more) that it is gone, and never that it has succeeded", async () => {
      assert.equal(await phase(subject.unknownRef), "gone");
      const { ref } = await started("gone");
      clock.advance(2_000);
      const [job] = jobs();
      assert.ok(job !== undefined);
      clouds.server.world.remove(job);
      assert.equal(await phase(ref), "gone");
    });

    test("lets a job run whose state nobody knows, with a warning", async () => {
      if (subject.strangeState === undefined) return;
      const { ref } = await started("strange");
      const [job] = jobs();
      assert.ok(job !== undefined);
      clouds.server.world.turn(job, { phase: "running", state: subject.strangeState });
      const result = await poll(ref);
      assert.ok("observation" in result);
      assert.deepEqual([result.observation.phase, result.observation.rawStatus], ["running", subject.strangeState]);
      assert.match(result.observation.warning ?? "", /not known/);
    });

    test("orders a job's end, and says of one that has ended or is not there that nothing is to be done", async () => {
      const { ref } = await started("cancel");
      assert.equal(await ask(open, "cancel", { ...address, ref }), "accepted");
      const [job] = jobs();
      assert.ok(job === undefined || job.cancelAskedMs !== undefined);
      clock.advance(5_000);
      assert.equal(await phase(ref), subject.cancelled);
      const again = await ask(open, "cancel", { ...address, ref });
      assert.equal(again, subject.cancelled === "gone" ? "not_found" : "already_ended");
      const done = await started("done");
      clock.advance(5_000);
      assert.equal(await phase(done.ref), "succeeded");
      assert.equal(await ask(open, "cancel", { ...address, ref: done.ref }), "already_ended");
      assert.equal(await phase(done.ref), "succeeded");
      if (subject.service !== "http") {
        assert.equal(await ask(open, "cancel", { ...address, ref: subject.unknownRef }), "not_found");
      }
    });

    test("reads many jobs in their order, whether a listing shows them or not, with few calls where it does", async () => {
      const refs: Json[] = [];
      for (let n = 0; n < 30; n++) refs.push((await started(`many-${n}`)).ref);
      clock.advance(500);
      const all = jobs();
      for (const [n, job] of all.entries()) {
        if (n % 10 === 1) clouds.server.world.turn(job, { phase: "failed" });
        if (n % 10 === 2) clouds.server.world.remove(job);
      }
      const before = clouds.server.calls.list({ service: fake }).length;
      const results = await ask(open, "poll", { ...address, refs });
      const phases = results.map((result) =>
        "observation" in result ? result.observation.phase : result.failure.code,
      );
      const expected = refs.map((_, n) => (n % 10 === 1 ? "failed" : n % 10 === 2 ? "gone" : "running"));
      assert.deepEqual(phases, expected);
      const made = clouds.server.calls.list({ service: fake }).length - before;
      assert.ok(subject.lists === undefined ? made === 30 : made <= 8, `${made} calls`);
      if (subject.lists === undefined) return;
      fault(subject.lists, { kind: "status", status: 500 });
      const alone = await ask(open, "poll", { ...address, refs });
      assert.deepEqual(
        alone.map((result) => ("observation" in result ? result.observation.phase : result.failure.code)),
        expected,
      );
    });
  });
}
