import type { DefinitionView, PauseView } from "@holdfast/protocol";
import { connected } from "./connection.ts";
import { exitCodes } from "./failures.ts";
import { pauseText } from "./pauses.ts";
import type { CommonFlags } from "./project.ts";
import { tableText } from "./table.ts";
import type { Terminal } from "./terminal.ts";
import { agoText } from "./times.ts";

const pageRows = 1_000;

/** `holdfast definitions list`: what can be started, and what is paused of it. */
export function listDefinitions(terminal: Terminal, flags: CommonFlags): Promise<number> {
  return connected(terminal, flags, async ({ plane }) => {
    const definitions = await plane.listDefinitions();
    const { pauses } = await plane.listPauses({ kind: "definition", limit: pageRows });
    terminal.answer({ definitions, pauses });
    if (definitions.length > 0) terminal.print(definitionTable(terminal, definitions, pauses));
    else terminal.note("Nothing has been applied yet.");
    const known = new Set(definitions.map(({ id }) => id));
    for (const pause of pauses)
      if (!known.has(pause.name)) terminal.note(`The ${pauseText(pause)}; it has not been applied.`);
    return exitCodes.done;
  });
}

function definitionTable(
  terminal: Terminal,
  definitions: readonly DefinitionView[],
  pauses: readonly PauseView[],
): string {
  const now = Date.now();
  const paused = new Map(pauses.map((pause) => [pause.name, pause]));
  return tableText(
    terminal,
    [
      { title: "ID", text: ({ id }) => id, shrinks: true },
      { title: "KIND", text: ({ kind }) => kind },
      { title: "APPLIED", text: ({ appliedAt }) => agoText(appliedAt, now), right: true },
      { title: "PAUSED", text: ({ id }) => (paused.has(id) ? agoText(paused.get(id)?.since ?? "", now) : "") },
    ],
    definitions,
  );
}
