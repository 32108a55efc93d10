// Faults to catch: a submission whose time is over is sent all the same, since it was looked at before the connection was open (P5); one that
// is in time is not sent; a connection of its own that stays open when its call is done.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { TrackingError } from "@holdfast/protocol";
import { AddressGuard } from "./addresses.ts";
import { Dialer } from "./dialer.ts";
import { momentIn } from "./moment.ts";
import { Outbound } from "./outbound.ts";
import { LocalService } from "./service.fixture.ts";
import { refuseAfter } from "./too-late.ts";

async function outboundTo(isGuarded: boolean, ms: number) {
  const service = await LocalService.start(() => ({ body: { id: 1 } }));
  after(() => service.close());
  const dialer = new Dialer(new AddressGuard({ private: true, allow: [] }));
  after(() => dialer.destroy());
  const { signal } = new AbortController();
  const outbound = new Outbound({ dialer, signal, timeoutMs: 5_000, notAfter: momentIn(ms) });
  const call = () => outbound.send({ url: `${service.url}/jobs`, method: "POST", lane: "fresh", guarded: isGuarded });
  return { service, call, outbound };
}

for (const isGuarded of [false, true]) {
  const address = isGuarded ? "a guarded" : "an open";
  test(`what is too late to be sent is not sent to ${address} address, and surely has done nothing`, async () => {
    const { service, call, outbound } = await outboundTo(isGuarded, -1);
    await assert.rejects(call(), (error: unknown) => {
      assert.ok(error instanceof TrackingError, String(error));
      const { fault, code, undecided } = error.failure;
      assert.deepEqual([fault, code, undecided], ["transient", "too_late", undefined]);
      return true;
    });
    assert.equal(service.calls.length, 0);
    const read = await outbound.send({ url: `${service.url}/jobs`, guarded: isGuarded });
    assert.equal(read.status, 200, "what changes nothing may be asked at any time");
  });

  test(`what is in time is sent to ${address} address, each call on a connection of its own`, async () => {
    const { service, call } = await outboundTo(isGuarded, 60_000);
    const answers = await Promise.all([call(), call()]);
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200],
    );
    assert.equal(service.calls.length, 2);
  });
}

test("either of the two clocks may say that it is too late", () => {
  const { machineMs, wallMs } = momentIn(60_000);
  refuseAfter({ machineMs, wallMs });
  for (const late of [
    { machineMs: machineMs - 120_000, wallMs },
    { machineMs, wallMs: wallMs - 120_000 },
  ]) {
    assert.throws(() => refuseAfter(late), TrackingError);
  }
});
