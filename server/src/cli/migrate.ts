import { openEmbedded } from "./connection.ts";
import { exitCodes } from "./failures.ts";
import { type CommonFlags, openProject } from "./project.ts";
import { shownStore } from "./store-address.ts";
import type { Terminal } from "./terminal.ts";

/**
 * `holdfast migrate`: creates the store's schema or brings it up to this version, and says who may make intents. Doing it again
 * does nothing.
 */
export async function migrate(
  terminal: Terminal,
  flags: CommonFlags & { readonly grantEnqueueTo?: string },
): Promise<number> {
  const settings = await openProject(terminal, flags);
  const connection = await openEmbedded(settings, { migrate: true });
  try {
    const { grantEnqueueTo: role } = flags;
    if (role !== undefined) await connection.services.intents.grant(role);
    const { kind, schemaVersion, incarnation } = await connection.services.store.describe();
    terminal.answer({ store: shownStore(settings.store), kind, schemaVersion, incarnation });
    terminal.note(`${shownStore(settings.store)} is at schema version ${schemaVersion}.`);
    if (role !== undefined)
      terminal.note(`The role ${role} may call holdfast.enqueue, signal and cancel, and nothing else.`);
    return exitCodes.done;
  } finally {
    await connection.close();
  }
}
