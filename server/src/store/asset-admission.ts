import { limits, nestsDeeper } from "@holdfast/protocol";
import { type StateTransaction, stateBytes } from "../core/index.ts";
import { admitCount, admitEnqueue, admitKey, admitText, refuse } from "./admission.ts";
import type { Consumption } from "./asset-verbs.ts";

// What every store refuses of assets, as admission.ts says of everything else.

/** Takings of events. */
export function admitConsumptions(rows: readonly Consumption[]): void {
  admitCount(rows.length);
  admitText(rows.map(({ taken }) => taken));
  for (const [index, { namespace, definition, taken, run }] of rows.entries()) {
    if (taken.length === 0) refuse(index, "takes nothing");
    if (run.run.namespace !== namespace || run.run.definition !== definition)
      refuse(index, "starts a run of another definition");
    if (run.claimFor !== null || run.request !== null) refuse(index, "starts a run that is claimed or was asked for");
  }
  admitEnqueue(rows.map(({ run }) => run));
}

/** Ops of assets in a transaction; `index`: of its row. */
export function admitAssetOp(op: StateTransaction["ops"][number], index: number): void {
  const isMark = op.op === "advance" || op.op === "delete" || op.op === "clear";
  if (op.scope.kind === "watermark" && !isMark) refuse(index, "changes a watermark otherwise than by advance");
  if (op.op === "advance") {
    if (op.scope.kind !== "watermark") refuse(index, "advances what is no watermark");
    if (Array.isArray(op.to) && (op.to.length === 0 || op.to.length > limits.watermarkParts))
      refuse(index, `has a mark of no parts, or of more than ${limits.watermarkParts}`);
    if (op.event !== undefined) admitEvent(op.event, index);
  }
  if (op.op !== "emit") return;
  if (op.scope.kind !== "asset") refuse(index, "tells an event of what is no asset");
  admitEvent(op, index);
}

function admitEvent(event: { readonly key?: string | undefined; readonly payload: unknown }, index: number): void {
  if (event.key !== undefined) admitKey(event.key, index);
  if (event.payload === undefined) refuse(index, "tells an event without a payload");
  if (nestsDeeper(event.payload, limits.assetEventNestingLevels))
    refuse(index, `tells an event that nests deeper than ${limits.assetEventNestingLevels}`);
  if (stateBytes(event.payload as never) > limits.assetEventBytes)
    refuse(index, `tells an event of more than ${limits.assetEventBytes} bytes`);
}
