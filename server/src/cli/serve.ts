import { type Logger, openLog } from "../log.ts";
import { version } from "../version.ts";
import { compilePaths, counted } from "./definitions.ts";
import { exitCodes } from "./failures.ts";
import { startHosting } from "./hosting.ts";
import { hearInterruption, untilAborted } from "./interruption.ts";
import { type CommonFlags, type ListenFlags, openProject } from "./project.ts";
import { toldStop } from "./stopping.ts";
import { shownStore } from "./store-address.ts";
import type { Terminal } from "./terminal.ts";
import { openTerminalLog } from "./terminal-log.ts";

const drainMs = 30_000;

export interface ServerFlags extends CommonFlags, ListenFlags {
  readonly allowedHost?: readonly string[];
  readonly migrate?: boolean;
  readonly apply?: boolean;
}

/** For people on a terminal a line each; for what collects logs JSON lines on stderr. */
function openServerLog(terminal: Terminal): Logger {
  return process.stderr.isTTY === true
    ? openTerminalLog(terminal, "info")
    : openLog(process.env.HOLDFAST_LOG || "info");
}

/** `holdfast server`: a node and the HTTP interface on the configured store. SIGTERM drains it. */
export async function server(terminal: Terminal, flags: ServerFlags): Promise<number> {
  const settings = await openProject(terminal, flags);
  const interruption = hearInterruption();
  const compiled =
    flags.apply === true ? await compilePaths(terminal, settings, [], { signal: interruption.signal }) : undefined;
  const manifests = compiled?.manifests ?? [];
  const token = flags.token ?? (process.env.HOLDFAST_TOKEN || undefined);
  const hosted = await startHosting(settings, {
    announce: false,
    role: "either",
    log: openServerLog(terminal),
    migrate: flags.migrate === true || !settings.store.startsWith("postgres"),
    token,
    allowedHosts: flags.allowedHost ?? [],
  });
  try {
    const { plane } = hosted.connection;
    if (manifests.length > 0) {
      await plane.apply(
        manifests.map(({ manifest }) => manifest),
        compiled?.schedules ?? [],
      );
    }
    terminal.answer({ url: hosted.url, store: shownStore(settings.store), pid: process.pid, version });
    terminal.note(`holdfast ${version}  ${hosted.url}\n${shownStore(settings.store)}`);
    if (manifests.length > 0) terminal.note(`Applied ${counted(manifests.length, "definition")}.`);
    await untilAborted(interruption.signal);
    terminal.note(`Draining: activations have ${drainMs / 1_000} s to end. Again: ends at once.`);
    return exitCodes.done;
  } finally {
    await toldStop(terminal, exitCodes.failed, (tell) => hosted.close({ graceMs: drainMs, tell }));
    interruption.stop();
  }
}
