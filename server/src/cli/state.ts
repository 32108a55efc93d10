import {
  durationMs,
  limits,
  type StateChangeRequest,
  type StateTarget,
  type StateView,
  type SweptState,
} from "@holdfast/protocol";
import type { ControlPlane } from "@holdfast/sdk/client";
import { connected } from "./connection.ts";
import { counted } from "./definitions.ts";
import { exitCodes, UsageError } from "./failures.ts";
import { givenJson } from "./given-json.ts";
import { readNumber } from "./number-flags.ts";
import type { CommonFlags } from "./project.ts";
import { tableText } from "./table.ts";
import { oneLine, type Terminal } from "./terminal.ts";
import { agoText } from "./times.ts";

/** `holdfast state get RUN|task:ID|asset:ID KEY`: the value as JSON. */
export function getState(terminal: Terminal, of: string, key: string, flags: CommonFlags): Promise<number> {
  const target = targetOf(of);
  return connected(terminal, flags, async ({ plane }) => {
    const value = await plane.state.get(target, key);
    terminal.answer(value);
    if (terminal.json) return exitCodes.done;
    terminal.print(JSON.stringify(value.value, null, 2));
    terminal.note(terminal.colors.dim(aboutText(value)));
    return exitCodes.done;
  });
}

export interface SetFlags extends CommonFlags {
  readonly ifVersion?: string;
  readonly retention?: string;
}

/** `holdfast state set RUN|task:ID|asset:ID KEY JSON`. */
export function setState(
  terminal: Terminal,
  of: string,
  { key, json }: { readonly key: string; readonly json: string },
  flags: SetFlags,
): Promise<number> {
  const given = { flag: "the value", what: "The value", maxBytes: limits.stateObjectBytes };
  const { retention } = flags;
  const op = {
    op: "set",
    key,
    value: givenJson(json, given),
    ...versionOf(flags),
    ...(retention === undefined ? {} : { retentionMs: retentionMs(retention) }),
  } as const;
  return changed(terminal, of, op, flags);
}

/** `holdfast state delete RUN|task:ID|asset:ID KEY`. */
export function deleteState(
  terminal: Terminal,
  of: string,
  key: string,
  flags: CommonFlags & { readonly ifVersion?: string },
): Promise<number> {
  return changed(terminal, of, { op: "delete", key, ...versionOf(flags) }, flags);
}

export interface ListFlags extends CommonFlags {
  readonly prefix?: string;
  readonly limit?: string;
  readonly after?: string;
}

/** `holdfast state list RUN|task:ID|asset:ID`. */
export function listState(terminal: Terminal, of: string, flags: ListFlags): Promise<number> {
  const target = targetOf(of);
  const { prefix, after } = flags;
  const limit = flags.limit === undefined ? 20 : readNumber("--limit", flags.limit, { min: 1, max: limits.pageRows });
  return connected(terminal, flags, async ({ plane }) => {
    const page = await plane.state.list(target, {
      limit,
      ...(prefix === undefined ? {} : { prefix }),
      ...(after === undefined ? {} : { after }),
    });
    terminal.answer(page);
    if (page.values.length === 0) terminal.note("There is no such state.");
    else terminal.print(stateTable(terminal, page.values));
    if (page.cursor !== null) terminal.note(terminal.colors.dim(`\nMore: --after ${JSON.stringify(page.cursor)}`));
    return exitCodes.done;
  });
}

/** `holdfast state clear RUN|task:ID|asset:ID`. */
export function clearState(
  terminal: Terminal,
  of: string,
  flags: CommonFlags & { readonly prefix?: string },
): Promise<number> {
  const target = targetOf(of);
  return connected(terminal, flags, async ({ plane }) => {
    const done = await plane.state.clear(target, flags.prefix);
    terminal.answer(done);
    terminal.note(`${counted(done.cleared, "value")} deleted.`);
    return exitCodes.done;
  });
}

/**
 * `holdfast gc`: deletes values of state whose time is over, and what the state backend holds for nobody, all of it; `--dry-run` shows the
 * first.
 */
export function gc(terminal: Terminal, flags: CommonFlags & { readonly dryRun?: boolean }): Promise<number> {
  return connected(terminal, flags, async ({ plane }) => {
    if (flags.dryRun === true) {
      const { expired, more, objects } = await plane.state.sweep({ preview: true });
      terminal.answer({ expired, more, swept: 0, objects });
      for (const { kind, id, key, expiresAt } of expired) terminal.print(`${kind} ${id} ${key}  ${expiresAt}`);
      const what = `${more ? "More than " : ""}${counted(expired.length, "value")} of state`;
      terminal.note(`${what} would be deleted.`);
      if (objects.swept > 0) terminal.note(`So would ${counted(objects.swept, "object")} (${objects.bytes} bytes).`);
      return exitCodes.done;
    }
    const { swept, objects } = await sweepAll(plane);
    terminal.answer({ swept, more: false, objects });
    terminal.note(`${counted(swept, "value")} of state deleted.`);
    const all = objects.swept + objects.unknown;
    if (all > 0) terminal.note(`${counted(all, "object")} deleted that no value names.`);
    return exitCodes.done;
  });
}

async function sweepAll(plane: ControlPlane): Promise<Pick<SweptState, "swept" | "objects">> {
  const all = { swept: 0, objects: { swept: 0, bytes: 0, unknown: 0 } };
  for (;;) {
    const { swept, more, objects } = await plane.state.sweep({});
    all.swept += swept;
    for (const name of ["swept", "bytes", "unknown"] as const) all.objects[name] += objects[name];
    if (!more) return all;
  }
}

/** Values of a run, as `runs show` has them: `cursor` = 17 (version 3). */
export function stateText({ key, value, version }: StateView): string {
  const text = JSON.stringify(value);
  return `${key} = ${oneLine(text.length > 80 ? `${text.slice(0, 77)}…` : text)} (version ${version})`;
}

function changed(terminal: Terminal, of: string, op: StateChangeRequest, flags: CommonFlags): Promise<number> {
  const target = targetOf(of);
  return connected(terminal, flags, async ({ plane }) => {
    const { results } = await plane.state.change(target, [op]);
    const version = results[0]?.version ?? 0;
    terminal.answer({ version });
    terminal.note(version === 0 ? "It is not there any more." : `It has version ${version}.`);
    return exitCodes.done;
  });
}

function stateTable(terminal: Terminal, values: readonly StateView[]): string {
  const now = Date.now();
  return tableText(
    terminal,
    [
      { title: "KEY", text: ({ key }) => oneLine(key) },
      { title: "VERSION", text: ({ version }) => String(version), right: true },
      { title: "VALUE", text: ({ value }) => oneLine(JSON.stringify(value)), shrinks: true },
      { title: "WRITTEN", text: ({ updatedAt }) => agoText(updatedAt, now), right: true },
      { title: "BY", text: ({ writer }) => (writer === null ? "a person" : writer.run) },
      { title: "EXPIRES", text: ({ expiresAt }) => expiresAt ?? "" },
    ],
    values,
  );
}

function aboutText({ version, writer, updatedAt, expiresAt }: StateView): string {
  const by = writer === null ? "a person" : `run ${writer.run}`;
  const end = expiresAt === null ? "" : `; it expires at ${expiresAt}`;
  return `Version ${version}, written by ${by} ${agoText(updatedAt, Date.now())}${end}.`;
}

/** A run's id or the beginning of it; `task:` and the task's; `asset:` and the asset's, or its URI. */
function targetOf(text: string): StateTarget {
  const [kind, ...rest] = text.split(":");
  const id = rest.join(":");
  if (rest.length === 0 && text !== "") return { kind: "run", id: text };
  if ((kind === "task" || kind === "asset" || kind === "run") && id !== "") return { kind, id };
  throw new UsageError(`"${text}" names nothing that has state.`, "Write a run's id, task:ID or asset:ID.");
}

function versionOf({ ifVersion }: { readonly ifVersion?: string }): { ifVersion?: number } {
  if (ifVersion === undefined) return {};
  return { ifVersion: readNumber("--if-version", ifVersion, { min: 0, max: Number.MAX_SAFE_INTEGER }) };
}

function retentionMs(text: string): number | null {
  if (text === "never" || text === "0") return null;
  const ms = durationMs(text);
  if (ms !== undefined && ms > 0) return ms;
  throw new UsageError(`"${text}" is no retention.`, 'Write "30m", "7d" (ten years at most) or "never".');
}
