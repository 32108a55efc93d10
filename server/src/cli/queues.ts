import type { LimitView } from "@holdfast/protocol";
import { type Connection, connected } from "./connection.ts";
import { exitCodes } from "./failures.ts";
import { pauseText } from "./pauses.ts";
import type { CommonFlags } from "./project.ts";
import { tableText } from "./table.ts";
import type { Terminal } from "./terminal.ts";

const shownHolders = 3;
const pageRows = 1_000;

/** `holdfast queues`: the limits of queues and definitions, and who holds what. */
export function queues(terminal: Terminal, flags: CommonFlags): Promise<number> {
  return connected(terminal, flags, async ({ plane, configured = {} }) => {
    const limits = withConfigured(await plane.listLimits(), configured);
    const { pauses } = await plane.listPauses({ kind: "queue", limit: pageRows });
    terminal.answer({ limits, pauses });
    if (limits.length > 0) terminal.print(limitTable(terminal, limits));
    else {
      terminal.note("Nothing is limited.");
      terminal.note(
        terminal.colors.dim(
          'Say queues: { etl: { concurrency: 2 } } in holdfast.config.ts, or concurrency: 2 or rate: { limit: 100, per: "1m" } of a task.',
        ),
      );
    }
    for (const pause of pauses) terminal.note(`The ${pauseText(pause)}.`);
    return exitCodes.done;
  });
}

/** Also what no node has declared yet: nobody holds any of it. */
function withConfigured(
  declared: readonly LimitView[],
  configured: NonNullable<Connection["configured"]>,
): readonly LimitView[] {
  const names = new Set(declared.map(({ name }) => name));
  const views = Object.entries(configured).flatMap(([queue, { concurrency, rate }]): LimitView[] => {
    const free = { holders: [], standing: [] };
    const perMs = rate?.perMs;
    return [
      ...(concurrency === undefined ? [] : [{ name: `queue/${queue}`, slots: concurrency, ...free }]),
      ...(rate === undefined || perMs === undefined
        ? []
        : [{ name: `queue-rate/${queue}`, slots: rate.limit, perMs, starts: [], ...free }]),
    ];
  });
  const missing = views.filter(({ name }) => !names.has(name));
  return [...declared, ...missing].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function limitTable(terminal: Terminal, limits: readonly LimitView[]): string {
  return tableText(
    terminal,
    [
      { title: "LIMIT", text: ({ name }) => name },
      { title: "SLOTS", text: slotsText, right: true },
      { title: "HELD", text: ({ holders, starts = [] }) => countText([...holders, ...starts]), right: true },
      { title: "IN LINE", text: ({ standing }) => countText(standing), right: true },
      { title: "HELD BY", text: ({ holders }) => holdersText(holders), shrinks: true },
    ],
    limits,
  );
}

/** Of a rate the starts that there may be within its time. */
function slotsText({ slots, perMs }: LimitView): string {
  return perMs === undefined ? String(slots) : `${slots} in ${perMs < 1_000 ? `${perMs} ms` : `${perMs / 1_000} s`}`;
}

/** A hundred are listed; there may be more. */
function countText(ids: readonly string[]): string {
  return ids.length < 100 ? String(ids.length) : "100+";
}

function holdersText(ids: readonly string[]): string {
  const more = ids.length > shownHolders ? " …" : "";
  return `${ids.slice(0, shownHolders).join(" ")}${more}`;
}
