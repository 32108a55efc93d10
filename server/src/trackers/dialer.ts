import { lookup as systemLookup } from "node:dns";
import { Agent, buildConnector } from "undici";
import { type AddressGuard, guardedAddresses, type Resolve } from "./addresses.ts";

/** What a connection's server is told and believed by, where that is not the system's choice. PEM texts. */
export interface TlsSettings {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
  readonly insecure?: boolean;
}

/**
 * `call`: connections are used again. `fresh`: one of its own, for what must not be sent twice: on a connection used again nobody
 * can tell whether the server had closed it before it read the request. `wait`: answers that come late do not hold up the calls.
 */
export type Lane = "call" | "fresh" | "wait";

export interface Dialling {
  readonly lane: Lane;
  /** Whether the address was written by somebody who may not reach every address. */
  readonly guarded: boolean;
  readonly tls?: TlsSettings | undefined;
}

/** A server that is called wherever it is, since the operator has named it: at its own port, by its own protocol. */
export interface OwnPlace {
  readonly origin: string;
  readonly guard: AddressGuard;
}

const connectionsPerServer: Readonly<Record<Lane, number>> = { call: 64, fresh: 64, wait: 1_000 };
const keptAgents = 200;

/** The connections of one named connection: to each server as many as are wanted, within limits. */
export class Dialer {
  readonly #guard: AddressGuard;
  readonly #resolve: Resolve;
  readonly #own: OwnPlace | undefined;
  readonly #agents = new Map<string, Agent>();

  constructor(guard: AddressGuard, resolve: Resolve = systemLookup, own?: OwnPlace) {
    this.#guard = guard;
    this.#resolve = resolve;
    this.#own = own;
  }

  agent(dialling: Dialling): Agent {
    const key = JSON.stringify([dialling.lane, dialling.guarded, dialling.tls ?? null]);
    const known = this.#agents.get(key);
    if (known !== undefined) return known;
    // Only certificates that are renewed make new ones: what they replace goes when its calls are done.
    if (this.#agents.size >= keptAgents) void this.close();
    const agent = this.#make(dialling);
    this.#agents.set(key, agent);
    return agent;
  }

  /** For one call alone, on a connection of its own: `check` is asked when that is open, and what it throws keeps the call from being sent. */
  agentOnce(dialling: Dialling, check: () => void): Agent {
    return this.#make(dialling, check);
  }

  /** Ends the connections, each when its call is done. */
  async close(): Promise<void> {
    const agents = [...this.#agents.values()];
    this.#agents.clear();
    await Promise.allSettled(agents.map((agent) => agent.close()));
  }

  /** Ends the connections now. */
  async destroy(): Promise<void> {
    const agents = [...this.#agents.values()];
    this.#agents.clear();
    await Promise.allSettled(agents.map((agent) => agent.destroy()));
  }

  #make({ lane, guarded, tls = {} }: Dialling, check: () => void = () => undefined): Agent {
    const { insecure = false, ...certificates } = tls;
    const connector = (guard?: AddressGuard) => {
      const connect = buildConnector({
        ...certificates,
        ...(insecure && { rejectUnauthorized: false }),
        timeout: 10_000,
        ...(guard !== undefined && { lookup: guardedAddresses(guard, this.#resolve) }),
      });
      return checked(connect, guard, check);
    };
    return new Agent({
      connect: guarded ? this.#placed(connector) : connector(),
      connections: connectionsPerServer[lane],
      pipelining: lane === "fresh" ? 0 : 1,
      keepAliveTimeout: 10_000,
      keepAliveMaxTimeout: 60_000,
      // How long a call may take is the call's own timer.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  #placed(connector: (guard: AddressGuard) => buildConnector.connector): buildConnector.connector {
    const others = connector(this.#guard);
    if (this.#own === undefined) return others;
    const { origin, guard } = this.#own;
    const own = connector(guard);
    return (options, callback) => {
      const isOwn = `${options.protocol}//${options.host}` === origin;
      return (isOwn ? own : others)(options, callback);
    };
  }
}

/** An address that a URL states itself is never looked up, and what is connected to is looked at once more. */
function checked(
  connect: buildConnector.connector,
  guard: AddressGuard | undefined,
  check: () => void,
): buildConnector.connector {
  return (options, callback) => {
    try {
      guard?.checkHost(options.hostname);
    } catch (error) {
      callback(error as Error, null);
      return;
    }
    connect(options, (error, socket) => {
      if (error !== null || socket === null) {
        callback(error ?? new Error("No connection came about."), null);
        return;
      }
      try {
        guard?.checkAddress(socket.remoteAddress ?? "0.0.0.0", options.hostname);
        check();
        callback(null, socket);
      } catch (refusal) {
        socket.destroy();
        callback(refusal as Error, null);
      }
    });
  };
}
