import { type Logger, pino } from "pino";

export type { Logger } from "pino";

/** The control plane's own log: JSON lines on stderr, so that stdout stays for answers, or to `destination`. */
export function openLog(level: string, destination?: { write(line: string): void }): Logger {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  return pino(options, destination ?? pino.destination({ dest: 2, sync: true }));
}

/** A log that says nothing. */
export const silentLog: Logger = pino({ level: "silent" });
