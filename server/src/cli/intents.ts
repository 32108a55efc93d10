import { type IntentView, limits } from "@holdfast/protocol";
import { connected, unlessNodes } from "./connection.ts";
import { counted } from "./definitions.ts";
import { exitCodes, UsageError } from "./failures.ts";
import { readNumber } from "./number-flags.ts";
import type { CommonFlags } from "./project.ts";
import { tableText } from "./table.ts";
import { oneLine, type Terminal } from "./terminal.ts";
import { agoText } from "./times.ts";

export interface IntentListFlags extends CommonFlags {
  readonly open?: boolean;
  readonly limit?: string;
  readonly cursor?: string;
}

/** `holdfast intents list`: what users' own transactions have promised and nobody could carry out, or nobody has yet. */
export function listIntents(terminal: Terminal, flags: IntentListFlags): Promise<number> {
  const { open = false, cursor } = flags;
  const limit = flags.limit === undefined ? 20 : readNumber("--limit", flags.limit, { min: 1, max: limits.pageRows });
  return connected(terminal, flags, async ({ plane }) => {
    const page = await plane.listIntents({
      state: open ? "open" : "rejected",
      limit,
      ...(cursor === undefined ? {} : { cursor }),
    });
    terminal.answer(page);
    if (page.intents.length === 0) terminal.note(open ? "No intent waits for a node." : "No intent was rejected.");
    else terminal.print(intentTable(terminal, page.intents));
    if (page.cursor !== null) terminal.note(terminal.colors.dim(`\nMore: --cursor ${page.cursor}`));
    return exitCodes.done;
  });
}

function intentTable(terminal: Terminal, intents: readonly IntentView[]): string {
  const now = Date.now();
  return tableText(
    terminal,
    [
      { title: "INTENT", text: ({ id }) => String(id), right: true },
      { title: "TO", text: ({ kind, signal }) => oneLine(signal === null ? kind : `${kind} ${signal}`), shrinks: true },
      { title: "RUN", text: ({ runId }) => runId ?? "" },
      { title: "DEFINITION", text: ({ definition }) => oneLine(definition ?? ""), shrinks: true },
      { title: "KEY", text: ({ key }) => oneLine(key ?? ""), shrinks: true },
      { title: "MADE", text: ({ madeAt }) => agoText(madeAt, now), right: true },
      { title: "WHY", text: ({ error }) => (error === null ? "" : oneLine(error.message)), shrinks: true },
    ],
    intents,
  );
}

/** `holdfast intents retry [INTENT…]`. */
export function retryIntents(
  terminal: Terminal,
  given: readonly string[],
  flags: CommonFlags & { readonly all?: boolean },
): Promise<number> {
  const ids = given.map(readId);
  if (ids.length === 0 && flags.all !== true) {
    throw new UsageError("It is not said which intents.", "Name them as holdfast intents list does, or say --all.");
  }
  return connected(terminal, flags, async (connection) => {
    const answer = await connection.plane.retryIntents(ids.length === 0 ? undefined : ids);
    terminal.answer(answer);
    const { reopened } = answer;
    const later = reopened > 0 ? await unlessNodes(connection, " A node does it at the next start.") : "";
    terminal.note(`${counted(reopened, "intent")} will be tried again.${later}`);
    return toldMissing(terminal, ids, reopened);
  });
}

/** `holdfast intents drop INTENT…`. */
export function dropIntents(terminal: Terminal, given: readonly string[], flags: CommonFlags): Promise<number> {
  const ids = given.map(readId);
  return connected(terminal, flags, async ({ plane }) => {
    const answer = await plane.dropIntents(ids);
    terminal.answer(answer);
    terminal.note(`${counted(answer.dropped, "rejected intent")} dropped.`);
    return toldMissing(terminal, ids, answer.dropped);
  });
}

/** Says that of those that were named some are not there, or not rejected; the exit code. */
function toldMissing(terminal: Terminal, ids: readonly number[], found: number): number {
  const missing = new Set(ids).size - found;
  if (missing <= 0) return exitCodes.done;
  const which =
    ids.length === 1 ? `There is no rejected intent ${ids[0]}.` : `${missing} of them are no rejected intents.`;
  terminal.note(`${which} holdfast intents list shows those that are.`);
  return exitCodes.failed;
}

function readId(text: string): number {
  const id = Number(text);
  if (Number.isSafeInteger(id) && id > 0) return id;
  throw new UsageError(`"${text}" is no intent.`, "An intent's number is the first column of holdfast intents list.");
}
