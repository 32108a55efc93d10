import { FatalError, isAppError, type StateHandle, task, type WritableAsset } from "holdfast";
import { type Act, assetName } from "./scenarios.ts";

interface Input {
  /** By attempt. */
  readonly programs: readonly (readonly Act[])[];
  /** The first attempt fails after its program. */
  readonly fails?: boolean;
}

/** Carries out what it is told, and answers what it saw. */
export const typescript = task({ id: "TypeScript" }, async ({ programs, fails = false }: Input, ctx) => {
  const seen: unknown[] = [];
  for (const [index, act] of (programs[ctx.attempt - 1] ?? []).entries()) {
    const asset = ctx.asset(assetName(act, ctx.run.definition));
    const handle = act.of === "asset" ? asset : act.of === "task" ? ctx.taskState : ctx.state;
    const as = `${ctx.attempt}/${index}`;
    const saw = ofAssets.includes(act.do)
      ? () => doneTo(asset, act, { as, run: ctx.run.id })
      : () => done(handle as StateHandle, act, as);
    seen.push(await carriedOut(saw));
  }
  if (fails && ctx.attempt === 1) throw new FatalError("as it was told");
  return JSON.parse(JSON.stringify(seen));
});

const ofAssets: readonly string[] = ["isOwn", "watermark", "advance", "emit", "events"];

async function doneTo(
  asset: WritableAsset,
  { key = "", value, event, eventKey, ...act }: Act,
  { as, run }: { as: string; run: string },
): Promise<unknown> {
  const keyed = eventKey === undefined ? {} : { key: eventKey };
  switch (act.do) {
    case "isOwn":
      return { own: (await asset.entry(key))?.writer?.run === run };
    case "watermark":
      return { value: await asset.watermark(key) };
    case "advance": {
      const told = event === undefined ? {} : { event: event as never };
      const { changed, event: number } = await asset.advance(key, value as never, { ...told, as });
      return { changed, event: number };
    }
    case "emit":
      return asset.emit(value as never, { ...keyed, as });
    default:
      return { events: (await asset.events()).map((one) => [one.number, one.key, one.payload]) };
  }
}

async function carriedOut(act: () => Promise<unknown>): Promise<unknown> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) return { refused: "invalid" };
    if (isAppError(error)) return { refused: error.code };
    throw error;
  }
}

async function done(state: StateHandle, { key = "", prefix, ...act }: Act, as: string): Promise<unknown> {
  const value = plain(act.value) as never;
  const only = act.ifVersion === undefined ? {} : { ifVersion: act.ifVersion };
  const under = prefix === undefined ? {} : { prefix };
  switch (act.do) {
    case "get": {
      const found = await state.get(key);
      return found === undefined ? { absent: true } : { value: found };
    }
    case "untilAbsent":
      for (;;) if ((await state.get(key)) === undefined) return { absent: true };
    case "entry": {
      const { updatedAt = "", expiresAt = null } = (await state.entry(key)) ?? {};
      return {
        expires: expiresAt === null ? null : Math.round((Date.parse(expiresAt) - Date.parse(updatedAt)) / 60_000),
      };
    }
    case "list":
      return { keys: (await state.list(under)).map((entry) => entry.key) };
    case "set": {
      const kept = act.retention === undefined ? {} : { retention: act.retention as never };
      return { version: await state.set(key, value, { ...only, ...kept, as }) };
    }
    case "delete":
      await state.delete(key, { ...only, as });
      return {};
    case "clear":
      return { cleared: await state.clear({ ...under, as }) };
    case "increment":
      return { value: await state.increment(key, value, { as }) };
    case "append":
      return { length: await state.append(key, value, { as }) };
    case "setIfMax":
      return { changed: await state.setIfMax(key, value, { as }) };
    default:
      throw new Error(`${act.do} is of assets`);
  }
}

/** With the numbers that JSON cannot say, and texts that are too long for an input. */
function plain(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if ("$number" in value) return Number(value.$number);
  if ("$repeat" in value) return "x".repeat(Number(value.$repeat));
  if (Array.isArray(value)) return value.map(plain);
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, plain(item)]));
}
