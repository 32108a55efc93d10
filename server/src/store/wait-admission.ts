import { limits } from "@holdfast/protocol";
import type { WaitsOrder } from "../core/index.ts";
import {
  admitCount,
  admitKey,
  admitRun,
  admitSpan,
  admitText,
  admitUniqueness,
  admitValue,
  given,
  refuse,
} from "./admission.ts";
import { admitJob } from "./job-admission.ts";
import type { SignalRequest } from "./wait-verbs.ts";

// What every store refuses of waits, as admission.ts says of everything else.

/** Waits, with the runs that they call: each is a child of its run, under the wait's key. */
export function admitWaits(rows: readonly WaitsOrder[]): void {
  admitCount(rows.length);
  admitText(rows);
  for (const [index, { runId, opens, settles, suspend }] of rows.entries()) {
    admitCount(opens.length + settles.length);
    for (const { key, kind, delayMs, signal, child, job } of opens) {
      admitKey(key, index);
      if (delayMs !== null) admitSpan(delayMs, index, "end of a wait");
      if ((kind === "sleep") !== (delayMs !== null && signal === null && job === undefined))
        refuse(index, `sleeps at "${key}" for no time`);
      if ((kind === "signal") !== (signal !== null)) refuse(index, `waits at "${key}" for no signal`);
      if (signal !== null) admitKey(signal, index);
      if ((kind === "call") !== (child !== null)) refuse(index, `waits at "${key}" for no run`);
      if ((kind === "external") !== (job !== undefined)) refuse(index, `waits at "${key}" for no job`);
      if (job !== undefined) admitJob(job, index);
      if (child === null) continue;
      admitRun(child, index, child.kind === "map" ? limits.collectedOutputBytes : limits.inputBytes);
      if (child.parentId !== runId || child.name !== key)
        refuse(index, `calls at "${key}" a run that is not its child`);
      if (child.blockedBy !== 0) refuse(index, `calls at "${key}" a run that waits for upstreams`);
    }
    for (const { key, value } of settles) {
      admitKey(key, index);
      admitValue(value, given(limits.stepValueBytes), index, "value");
    }
    if (suspend === null) continue;
    if (!Number.isFinite(suspend.ranMs) || suspend.ranMs < 0)
      refuse(index, "says that its body ran for no length of time");
    if (suspend.groups.length === 0 || suspend.groups.some((keys) => keys.length === 0))
      refuse(index, "waits for nothing");
  }
}

/** A signal. */
export function admitSignal(signal: SignalRequest): void {
  admitText([signal]);
  admitKey(signal.name, 0);
  admitValue(signal.payload, given(limits.signalBytes), 0, "payload");
  if (signal.request !== null) admitUniqueness(signal.request, 0);
}
