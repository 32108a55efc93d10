import { type JsonObject, limits, type StartOn } from "@holdfast/protocol";
import { type DefinitionData, definitionData, type TaskData, type WorkflowData } from "./definition.ts";
import { OptionReader, show } from "./options.ts";

// `startOn`: the assets whose events start runs of a definition.

const form = 'Write startOn: { all: [orders, customers] }, or { any: […] }, where orders = asset({ id: "orders" }).';

/** Tells what is wrong with `startOn`. */
export function checkStartOn(reader: OptionReader): void {
  const value = reader.value("startOn");
  if (value === undefined) return;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    reader.add(`"startOn" is ${show(value)}`, form);
    return;
  }
  const inner = new OptionReader(value, `${reader.what}: startOn`, undefined);
  inner.onlyKnown(["all", "any", "from"]);
  for (const { message, hint } of inner.problems.found) {
    const [, wrong = message] = /: startOn: (.*)\.$/s.exec(message) ?? [];
    reader.add(`in "startOn" ${wrong}`, hint ?? form);
  }
  const { all, any, from } = value as Readonly<Record<string, unknown>>;
  if (from !== undefined && from !== "start") {
    reader.add(`"from" of "startOn" is ${show(from)}`, 'Write from: "start", or leave it out.');
  }
  if ((all === undefined) === (any === undefined)) {
    reader.add(`"startOn" has ${all === undefined ? 'neither "all" nor "any"' : 'both "all" and "any"'}`, form);
    return;
  }
  const name = all === undefined ? "any" : "all";
  const assets: unknown[] = Array.isArray(all ?? any) ? ((all ?? any) as unknown[]) : [null];
  if (assets.some((item) => definitionData(item)?.kind !== "asset")) {
    reader.add(`"${name}" of "startOn" is not a list of assets`, form);
    return;
  }
  if (assets.length === 0 || assets.length > limits.assetsPerStart) {
    reader.add(`"${name}" of "startOn" has ${assets.length} assets`, `1 to ${limits.assetsPerStart} are allowed.`);
  }
  const ids = assets.map((item) => definitionData(item)?.id);
  const twice = ids.find((id, index) => ids.indexOf(id) !== index);
  if (twice !== undefined) reader.add(`"${name}" of "startOn" has "${twice}" twice`, "Remove one.");
}

/** As the manifest says it; undefined where nothing is said, or something wrong. */
export function readStartOn({ options }: TaskData | WorkflowData): StartOn | undefined {
  const { startOn } = options;
  if (typeof startOn !== "object" || startOn === null) return undefined;
  const mode = startOn.all === undefined ? "any" : "all";
  const assets = consumedAssets({ options }).map(({ id }) => id);
  return { mode, assets: [...new Set(assets)].sort(), ...(startOn.from === "start" ? { from: startOn.from } : {}) };
}

/** The assets whose events start runs of it. */
export function consumedAssets({ options: { startOn } }: Pick<TaskData | WorkflowData, "options">): DefinitionData[] {
  const listed: unknown = startOn?.all ?? startOn?.any;
  const all: unknown[] = Array.isArray(listed) ? listed : [];
  return all.map(definitionData).filter((item) => item !== undefined && item.kind === "asset");
}

/** What is wrong with an input that events are to be given to; undefined: nothing that its schema would say. */
export function eventsDefect(
  input: JsonObject | undefined,
): { readonly wrong: string; readonly hint: string } | undefined {
  const { properties, additionalProperties, required } = input ?? {};
  const known = typeof properties === "object" && properties !== null ? Object.keys(properties) : undefined;
  const missing = Array.isArray(required) ? required.filter((name) => name !== "events") : [];
  if (missing.length > 0) {
    return {
      wrong: `events start it, but its input also needs ${missing.map((name) => show(name)).join(", ")}`,
      hint: "Runs that events start are given { events } alone: give the others a default.",
    };
  }
  if (known === undefined || known.includes("events") || additionalProperties !== false) return undefined;
  return {
    wrong: 'events start it, but its input has no "events"',
    hint: "Runs that events start are given { events: { [asset]: [{ number, key, payload, at, run }] } }.",
  };
}
