import { exitCodes } from "./failures.ts";

const outputs = [process.stdout, process.stderr];

/** Whoever read the output may leave, as `head` does: what is written then is lost, and the exit code stays what it is. */
export function tolerateLeavingReader(): void {
  for (const output of outputs) {
    output.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
    });
  }
}

/**
 * Fires when nobody reads the output any more, and at the first SIGINT, SIGTERM or SIGHUP; a second one ends the process at once. `stop`: hears no more.
 * `patienceMs`: how long what is left may take after the first; what is at work then loses nothing (P1).
 */
export function hearInterruption({ patienceMs }: { readonly patienceMs?: number } = {}): {
  readonly signal: AbortSignal;
  stop(): void;
} {
  const controller = new AbortController();
  const hear = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted);
    controller.abort(name);
    if (patienceMs !== undefined) setTimeout(() => process.exit(exitCodes.interrupted), patienceMs).unref();
  };
  const names = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const name of names) process.on(name, hear);
  const leave = (): void => controller.abort("SIGPIPE");
  for (const output of outputs) output.on("error", leave);
  return {
    signal: controller.signal,
    stop: () => {
      for (const name of names) process.off(name, hear);
      for (const output of outputs) output.off("error", leave);
    },
  };
}

/** Resolves when the signal fires. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
