import { loadConfig } from "../compile/load-config.ts";
import type { Settings } from "../config.ts";
import type { Place } from "./command-name.ts";
import { InvalidProject } from "./failures.ts";
import { shownStore } from "./store-address.ts";
import type { Terminal } from "./terminal.ts";

/** Flags that most commands know. */
export interface CommonFlags {
  readonly json?: boolean;
  readonly server?: string;
  readonly token?: string;
  readonly store?: string;
  readonly namespace?: string;
}

export interface ListenFlags {
  readonly host?: string;
  readonly port?: string;
  readonly concurrency?: string;
}

/** What a command has to repeat to ask the same server or store; nothing where it finds it by itself. */
export function placeOf({ server, store }: CommonFlags): Place {
  return { server, store: store === undefined ? undefined : shownStore(store) };
}

/** The project that the command is for, looked for from a folder upwards. Throws InvalidProject. */
export async function openProject(
  terminal: Terminal,
  flags: CommonFlags & ListenFlags,
  from = process.cwd(),
): Promise<Settings> {
  const { store, namespace, host, port, concurrency } = flags;
  const { settings, problems } = await loadConfig({
    from,
    env: process.env,
    flags: {
      ...(store === undefined ? {} : { store }),
      ...(namespace === undefined ? {} : { namespace }),
      ...(host === undefined ? {} : { host }),
      ...(port === undefined ? {} : { port }),
      ...(concurrency === undefined ? {} : { concurrency }),
    },
    onOutput: (text) => terminal.relay(text.trimEnd()),
  });
  if (problems.length > 0) throw new InvalidProject(problems);
  return settings;
}
