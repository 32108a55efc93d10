import { pino, type Logger } from "pino";

export type { Logger } from "pino";

/** The control plane's own log: JSON lines on stderr, so that stdout stays for answers. Level by HOLDFAST_LOG. */
export function openLog(level: string): Logger {
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ dest: 2, sync: true }));
}

/** A log that says nothing. */
export const silentLog: Logger = pino({ level: "silent" });
