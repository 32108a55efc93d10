import { exitCodes } from "./failures.ts";

/** Fires at the first SIGINT, SIGTERM or SIGHUP; a second one ends the process at once. `stop`: hears no more. */
export function hearInterruption(): { readonly signal: AbortSignal; stop(): void } {
  const controller = new AbortController();
  const hear = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted);
    controller.abort(name);
  };
  const names = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const name of names) process.on(name, hear);
  return {
    signal: controller.signal,
    stop: () => {
      for (const name of names) process.off(name, hear);
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
