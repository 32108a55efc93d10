import { type JobAddress, type Json, nameHint } from "@holdfast/protocol";
import { z } from "zod";
import { connectionOf, missingConnection } from "../connection-settings.ts";
import { AddressGuard, type Resolve } from "./addresses.ts";
import { Dialer } from "./dialer.ts";
import { permanent, transient } from "./failures.ts";
import type { Moment } from "./moment.ts";
import { Outbound } from "./outbound.ts";
import { remoteSettingsSchema, remoteTracker } from "./remote-tracker.ts";
import type { Tracker, TrackerIo } from "./tracker.ts";

/** What a connection has in common with every other, whatever else it says to its service. */
const commonSchema = z.looseObject({
  service: z.string().optional(),
  /** A tracker of the user's own that is a service. */
  tracker: z.string().optional(),
  baseUrl: z.string().optional(),
  private: z.boolean().optional(),
  allow: z.array(z.string()).optional(),
});

export interface ConnectionsOptions {
  /** The configuration's connections by name. */
  readonly settings: Readonly<Record<string, Json>>;
  readonly trackers: readonly Tracker[];
  /** Why trackers of the user's are not there, one text a module. */
  readonly broken: () => readonly string[];
  readonly mock: boolean;
  readonly callMs: number;
  readonly now: () => number;
  /** How names are looked up; default the system's way. */
  readonly resolve?: Resolve;
}

/** A tracker with the settings of one connection, parsed, and what calls go through. */
export interface OpenConnection {
  readonly tracker: Tracker;
  readonly settings: Json;
  /** `notAfter`: what is sent on connections of their own is not sent later. */
  io(signal: AbortSignal, notAfter?: Moment): TrackerIo;
}

/** The connections of a tracker process, each opened when it is first asked for and kept. */
export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #open = new Map<string, OpenConnection>();
  readonly #dialers: Dialer[] = [];

  constructor(options: ConnectionsOptions) {
    this.#options = options;
  }

  /** Throws a TrackingError where there is no such service or connection, or its settings are wrong. */
  get(address: JobAddress): OpenConnection {
    const key = JSON.stringify([address.service, address.connection]);
    const open = this.#open.get(key) ?? this.#make(address);
    this.#open.set(key, open);
    return open;
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#dialers.map((dialer) => dialer.destroy()));
  }

  #make(address: JobAddress): OpenConnection {
    const known = this.#options.trackers.find((one) => isCalled(one, address.service));
    const { settings } = this.#options;
    const name = connectionOf(settings, address);
    const missing = name === null ? undefined : missingConnection(Object.keys(settings), name, address.service);
    if (missing !== undefined) throw permanent("unknown_connection", missing.message, missing.hint);
    const given = name === null ? {} : (settings[name] ?? {});
    const place = name === null ? `the service ${address.service}` : `the connection "${name}"`;
    const common = commonSchema.safeParse(given);
    if (!common.success) throw permanent("invalid_settings", `${place}: ${z.prettifyError(common.error)}`);
    const { service = address.service, tracker: remote } = common.data;
    const tracker = remote === undefined ? known : remoteTracker(parse(remoteSettingsSchema, given, place));
    if (tracker === undefined) throw this.#unknown(address.service);
    if (!isCalled(tracker, address.service) || !isCalled(tracker, service)) {
      throw permanent("wrong_connection", `${place} is for the service ${service}, not for ${address.service}.`);
    }
    return this.#connect(tracker, given, place, common.data);
  }

  #connect(tracker: Tracker, given: Json, place: string, common: z.infer<typeof commonSchema>): OpenConnection {
    const { callMs, mock, now, resolve } = this.#options;
    const settings = parse(tracker.settings, given, place);
    const rules = { private: common.private === true, allow: common.allow ?? [] };
    const dialer = new Dialer(new AddressGuard(rules), resolve, ownPlace(common.baseUrl, rules));
    this.#dialers.push(dialer);
    const access = tracker.connect?.(settings);
    return {
      tracker,
      settings,
      io: (signal, notAfter) => ({
        settings,
        access,
        outbound: new Outbound({ dialer, signal, timeoutMs: callMs, notAfter }),
        signal,
        mock,
        now,
      }),
    };
  }

  #unknown(service: string): Error {
    const broken = this.#options.broken();
    // A module that is mended brings its service back: no job fails by it meanwhile.
    if (broken.length > 0)
      return transient("tracker_broken", `No tracker for ${service} is there: ${broken.join("; ")}`);
    const names = this.#options.trackers.flatMap((one) => [one.service, ...(one.aliases ?? [])]);
    return permanent("unknown_service", `There is no tracker for the service "${service}".`, nameHint(service, names));
  }
}

/** What the operator has named is called wherever it is, and nothing beside it: neither another port of its host. */
function ownPlace(baseUrl: string | undefined, rules: { readonly private: boolean; readonly allow: string[] }) {
  if (baseUrl === undefined) return undefined;
  const { origin, hostname } = new URL(baseUrl);
  const allow = [...rules.allow, hostname.replaceAll(/[[\]]/g, "")];
  return { origin, guard: new AddressGuard({ ...rules, allow }) };
}

function isCalled(tracker: Tracker, service: string): boolean {
  return tracker.service === service || tracker.aliases?.includes(service) === true;
}

function parse<T>(schema: z.ZodType<T>, given: Json, place: string): T {
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  throw permanent(
    "invalid_settings",
    `${place} cannot be used: ${z.prettifyError(parsed.error)}`,
    "Mend it in the configuration.",
  );
}
