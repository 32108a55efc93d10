import type { Settings } from "../config.ts";
import type { Logger } from "../log.ts";
import type { StopOptions } from "../main.ts";
import { version } from "../version.ts";
import { type EmbeddedConnection, openEmbedded } from "./connection.ts";
import { removeDevFile, writeDevFile } from "./dev-file.ts";

export interface HostOptions {
  readonly token?: string | undefined;
  readonly allowedHosts?: readonly string[];
  /** Whether `run` in this project finds this process by `.holdfast/dev.json`. */
  readonly announce: boolean;
  /** A SQLite store is to be this process's own. */
  readonly role: "owner" | "either";
  readonly migrate?: boolean;
  /** Whether `mock://` jobs pretend where the configuration does not say. */
  readonly mockJobs?: boolean;
  readonly log: Logger;
}

/** A node and the HTTP interface in this process. */
export interface Hosted {
  readonly connection: EmbeddedConnection;
  readonly url: string;
  /** User code has changed. */
  forgetCode(): void;
  /** Takes no more calls, lets bodies end for `graceMs`, gives the rest back. */
  close(stop: StopOptions): Promise<void>;
}

/** Opens the store, starts a node and listens. Throws AppErrors. */
export async function startHosting(settings: Settings, options: HostOptions): Promise<Hosted> {
  const { role, announce, token, allowedHosts = [], migrate, log } = options;
  const { root, host, port, publicUrl } = settings;
  const { startServer } = await import("../main.ts");
  const connection = await openEmbedded(settings, { role, log, ...(migrate === undefined ? {} : { migrate }) });
  try {
    // One-time addresses lead to the name under which others reach it.
    const named = publicUrl === undefined ? [] : [new URL(publicUrl).hostname];
    const shared = {
      host,
      port,
      version,
      log,
      allowedHosts: [...allowedHosts, ...named],
      ...(token === undefined ? {} : { token }),
    };
    const server = await startServer(connection.services, shared);
    const node = await connection.work({
      schedules: true,
      mockJobs: options.mockJobs === true,
      url: reachable(host, server.url),
    });
    if (announce) {
      const { incarnation } = await connection.plane.describe();
      writeDevFile(root, { url: server.url, pid: process.pid, incarnation });
    }
    return {
      connection,
      url: server.url,
      forgetCode: () => node.forgetCode(),
      close: async (stop) => {
        if (announce) removeDevFile(root);
        await server.close();
        await node.stop(stop);
        await connection.services.close();
      },
    };
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** A server that listens on every address has none that it could give to a service. */
export function reachable(host: string, url: string): string | undefined {
  return host === "0.0.0.0" || host === "::" || host === "[::]" || host === "" ? undefined : url;
}
