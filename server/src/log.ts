import { AppError } from "@holdfast/protocol";
import { type Logger, pino } from "pino";

export type { Logger } from "pino";

/** What HOLDFAST_LOG may say. */
const levels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"];

/**
 * The control plane's own log: JSON lines on stderr, so that stdout stays for answers, or to `destination`. Throws
 * `invalid_request` for a level that there is not.
 */
export function openLog(level: string, destination?: { write(line: string): void }): Logger {
  if (!levels.includes(level)) {
    const hint = `Write one of ${levels.join(", ")} into HOLDFAST_LOG.`;
    throw new AppError("invalid_request", `There is no level "${level}" of the log.`, { hint });
  }
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return pino(options, destination ?? pino.destination({ dest: 2, sync: true }));
}

/** A log that says nothing. */
export const silentLog: Logger = pino({ level: "silent" });
