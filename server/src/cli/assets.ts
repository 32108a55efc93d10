import {
  type AssetDetailView,
  type AssetEventView,
  type AssetView,
  type ConsumerView,
  limits,
  type StateView,
  watermarkSchema,
} from "@holdfast/protocol";
import { connected } from "./connection.ts";
import { counted } from "./definitions.ts";
import { exitCodes, UsageError } from "./failures.ts";
import { givenJson } from "./given-json.ts";
import { readNumber } from "./number-flags.ts";
import type { CommonFlags } from "./project.ts";
import { stateText } from "./state.ts";
import { tableText } from "./table.ts";
import { oneLine, type Terminal } from "./terminal.ts";
import { agoText } from "./times.ts";

export interface AssetListFlags extends CommonFlags {
  readonly all?: boolean;
  readonly limit?: string;
  readonly after?: string;
}

/** `holdfast assets list`. */
export function listAssets(terminal: Terminal, flags: AssetListFlags): Promise<number> {
  const { all, after } = flags;
  return connected(terminal, flags, async ({ plane }) => {
    const page = await plane.assets.list({
      limit: limitOf(flags, 100),
      ...(all === undefined ? {} : { all }),
      ...(after === undefined ? {} : { after }),
    });
    terminal.answer(page);
    if (page.assets.length > 0) terminal.print(assetTable(terminal, page.assets));
    else {
      terminal.note("There is no asset.");
      const hint =
        'A task declares what it reads and writes: writes: [asset({ id: "orders" })]; in YAML writes: [orders].';
      terminal.note(terminal.colors.dim(hint));
    }
    if (page.cursor !== null) terminal.note(terminal.colors.dim(`\nMore: --after ${page.cursor}`));
    return exitCodes.done;
  });
}

function assetTable(terminal: Terminal, assets: readonly AssetView[]): string {
  const now = Date.now();
  return tableText(
    terminal,
    [
      { title: "ASSET", text: ({ id }) => id, shrinks: true },
      { title: "URI", text: ({ uri }) => oneLine(uri ?? ""), shrinks: true },
      { title: "EVENTS", text: ({ lastEvent }) => (lastEvent === 0 ? "" : String(lastEvent)), right: true },
      { title: "DECLARED", text: ({ declaredAt }) => agoText(declaredAt, now), right: true },
      { title: "", text: ({ active }) => (active ? "" : "not declared any more") },
    ],
    assets,
  );
}

/** `holdfast assets show ASSET`: how far it is, and who has to do with it. */
export function showAsset(terminal: Terminal, name: string, flags: CommonFlags): Promise<number> {
  return connected(terminal, flags, async ({ plane }) => {
    const asset = await plane.assets.get(name);
    terminal.answer({ asset });
    if (terminal.json) return exitCodes.done;
    const now = Date.now();
    for (const [field, value] of fieldsOf(asset, now)) {
      if (value !== null && value !== "") terminal.print(`${terminal.colors.dim(field.padEnd(11))} ${value}`);
    }
    return exitCodes.done;
  });
}

function fieldsOf(asset: AssetDetailView, now: number): [string, string | null][] {
  const { watermarks, use, reads, writes, starts, writers, firstEvent, lastEvent } = asset;
  const kept = firstEvent === null ? "none is kept" : `${firstEvent} to ${lastEvent} are kept`;
  return [
    ["asset", asset.id],
    ["uri", asset.uri === null ? null : oneLine(asset.uri)],
    ...watermarks.map((mark): [string, string] => ["watermark", watermarkText(mark, now)]),
    ["state", use.keys === 0 ? null : `${counted(use.keys, "key")}: holdfast state list asset:${asset.id}`],
    ["events", lastEvent === 0 ? "none yet" : `${counted(lastEvent, "event")} in all; ${kept}`],
    ["written by", writes.join(", ")],
    ["read by", reads.join(", ")],
    ...starts.map((one): [string, string] => ["starts", consumerText(one, now)]),
    ...writers.map(({ run, at }): [string, string] => ["last run", `${run} ${agoText(at, now)}`]),
  ];
}

function watermarkText(mark: StateView, now: number): string {
  const by = mark.writer === null ? "a person" : `run ${mark.writer.run}`;
  return `${stateText(mark)}, by ${by} ${agoText(mark.updatedAt, now)}`;
}

/** A definition that events start: what it has had, and what it waits for. */
export function consumerText({ definition, started, lastAt, waitsFor }: ConsumerView, now: number): string {
  const last = lastAt === null ? "" : `, the last ${agoText(lastAt, now)}`;
  return `${definition}: ${counted(started, "run")} so far${last}; it waits for ${oneLine(waitsFor)}`;
}

export interface AssetEventFlags extends CommonFlags {
  readonly after?: string;
  readonly limit?: string;
}

/** `holdfast assets events ASSET`. */
export function listAssetEvents(terminal: Terminal, name: string, flags: AssetEventFlags): Promise<number> {
  const after =
    flags.after === undefined ? 0 : readNumber("--after", flags.after, { min: 0, max: Number.MAX_SAFE_INTEGER });
  return connected(terminal, flags, async ({ plane }) => {
    const page = await plane.assets.events(name, { after, limit: limitOf(flags, 20) });
    terminal.answer(page);
    if (page.events.length === 0) terminal.note("There is no such event.");
    else terminal.print(eventTable(terminal, page.events));
    if (page.cursor !== null) terminal.note(terminal.colors.dim(`\nMore: --after ${page.cursor}`));
    return exitCodes.done;
  });
}

function eventTable(terminal: Terminal, events: readonly AssetEventView[]): string {
  const now = Date.now();
  return tableText(
    terminal,
    [
      { title: "EVENT", text: ({ number }) => String(number), right: true },
      { title: "KEY", text: ({ key }) => oneLine(key ?? "") },
      { title: "SAYS", text: ({ payload }) => oneLine(JSON.stringify(payload)), shrinks: true },
      { title: "TOLD", text: ({ at }) => agoText(at, now), right: true },
      { title: "BY", text: ({ run }) => run ?? "a person" },
    ],
    events,
  );
}

export interface EmitFlags extends CommonFlags {
  readonly key?: string;
}

/** `holdfast assets emit ASSET JSON`. */
export function emitEvent(terminal: Terminal, name: string, json: string, flags: EmitFlags): Promise<number> {
  const payload = givenJson(json, { flag: "the event", what: "The event", maxBytes: limits.assetEventBytes });
  return connected(terminal, flags, async ({ plane }) => {
    const { key } = flags;
    const told = await plane.assets.emit(name, { payload, ...(key === undefined ? {} : { key }) });
    terminal.answer(told);
    terminal.note(
      told.existing ? `Event ${told.number} has this key: nothing new is told.` : `Event ${told.number} of ${name}.`,
    );
    return exitCodes.done;
  });
}

export interface AdvanceFlags extends CommonFlags {
  readonly event?: string;
  readonly key?: string;
  readonly backwards?: boolean;
}

/** `holdfast assets advance ASSET MARK JSON`. */
export function advanceWatermark(
  terminal: Terminal,
  name: string,
  { mark, json }: { readonly mark: string; readonly json: string },
  flags: AdvanceFlags,
): Promise<number> {
  const { key, backwards } = flags;
  const to = watermarkOf(json);
  const given = { flag: "--event", what: "The event", maxBytes: limits.assetEventBytes };
  if (flags.event === undefined && key !== undefined)
    throw new UsageError("--key names an event, and there is none.", "Say what is told as well: --event JSON.");
  const event =
    flags.event === undefined
      ? {}
      : { event: { payload: givenJson(flags.event, given), ...(key === undefined ? {} : { key }) } };
  return connected(terminal, flags, async ({ plane }) => {
    const done = await plane.assets.advance(name, mark, { to, ...event, ...(backwards === true ? { backwards } : {}) });
    terminal.answer(done);
    const is = oneLine(JSON.stringify(done.value));
    const told = done.event === null ? "" : `, and event ${done.event} is told`;
    terminal.note(
      done.changed
        ? `"${mark}" is ${is}${told}.`
        : `"${mark}" stays ${is}, which is not less: --backwards sets it back.`,
    );
    return exitCodes.done;
  });
}

function watermarkOf(json: string) {
  const value = givenJson(json, { flag: "the watermark", what: "The watermark", maxBytes: limits.stateValueBytes });
  const parsed = watermarkSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new UsageError(
    "That is no watermark.",
    `Write a number, a text ('"2026-01-31"'), or a list of 1 to ${limits.watermarkParts} of these.`,
  );
}

/** `holdfast assets delete ASSET`. */
export function deleteAsset(terminal: Terminal, name: string, flags: CommonFlags): Promise<number> {
  return connected(terminal, flags, async ({ plane }) => {
    terminal.answer(await plane.assets.delete(name));
    terminal.note(`${name} is deleted, with its state, watermarks and events.`);
    return exitCodes.done;
  });
}

function limitOf({ limit }: { readonly limit?: string }, usual: number): number {
  return limit === undefined ? usual : readNumber("--limit", limit, { min: 1, max: limits.pageRows });
}
