import type { LookupAddress, LookupAllOptions } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import ipaddr from "ipaddr.js";
import { permanent } from "./failures.ts";

// Which addresses may be called on behalf of somebody who only wrote a URL. Without this, a URL in a task's own words reaches
// what only the control plane's machine can reach: its loopback, its network, and the metadata service that gives out its identity.

/** Services of clouds that give out credentials, also where the range is not private. */
const metadataAddresses: readonly string[] = [
  "169.254.169.254", // most clouds
  "169.254.170.2", // AWS, containers
  "169.254.170.23",
  "fd00:ec2::254",
  "fd00:ec2::23",
  "fd20:ce::254", // Google
  "100.100.100.200", // Alibaba
  "168.63.129.16", // Azure
  "192.0.0.192", // Oracle
].map(canonical);

/** What a configuration opens: `private` is every address but those of metadata services, which want to be named. */
export interface AddressRules {
  readonly private?: boolean;
  /** Host names (`status.internal`), addresses (`10.0.0.7`), ranges (`10.0.0.0/8`). */
  readonly allow?: readonly string[];
}

/** The one spelling of an address; an IPv4 address inside an IPv6 one is that IPv4 address. */
function canonical(address: string): string {
  return ipaddr.process(address).toNormalizedString();
}

export class AddressGuard {
  readonly #rules: AddressRules;
  readonly #names: ReadonlySet<string>;
  readonly #ranges: readonly [ipaddr.IPv4 | ipaddr.IPv6, number][];

  /** Throws a permanent TrackingError for a range that is none. */
  constructor(rules: AddressRules) {
    this.#rules = rules;
    const names: string[] = [];
    const ranges: [ipaddr.IPv4 | ipaddr.IPv6, number][] = [];
    for (const entry of rules.allow ?? []) {
      if (ipaddr.isValidCIDR(entry)) ranges.push(ipaddr.parseCIDR(entry));
      else if (isIP(entry) !== 0) {
        const address = ipaddr.process(entry);
        ranges.push([address, address.kind() === "ipv4" ? 32 : 128]);
      } else if (/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(entry)) names.push(entry.toLowerCase());
      else throw permanent("invalid_settings", `"${entry}" names no host, address or range that could be allowed.`);
    }
    this.#names = new Set(names);
    this.#ranges = ranges;
  }

  /** Throws where a host name or address of a URL must not be called; a name's addresses are checked when they are known. */
  checkHost(hostname: string): void {
    const host = bare(hostname);
    if (isIP(host) !== 0) this.checkAddress(host, host);
  }

  /** Throws where an address must not be connected to; `hostname` is what the URL says. */
  checkAddress(address: string, hostname: string): void {
    const host = bare(hostname).toLowerCase();
    const range = this.#refusedRange(address, host);
    if (range === undefined) return;
    const named = host === address ? address : `${host} is ${address}, which`;
    throw permanent(
      "refused_address",
      `${named} is ${range}, and is not called for anybody who only writes a URL.`,
      'Allow it in the connection: allow: ["10.0.0.0/8"] or a host\'s name, or private: true.',
    );
  }

  /** Of a name's addresses those that may be connected to; throws when there are none. */
  admit(addresses: readonly LookupAddress[], hostname: string): LookupAddress[] {
    const admitted = addresses.filter(
      ({ address }) => this.#refusedRange(address, bare(hostname).toLowerCase()) === undefined,
    );
    const [first] = addresses;
    if (admitted.length === 0 && first !== undefined) this.checkAddress(first.address, hostname);
    return admitted;
  }

  #refusedRange(address: string, host: string): string | undefined {
    const parsed = embedded(ipaddr.process(address));
    const isNamed = this.#names.has(host) || this.#ranges.some(([range, bits]) => isWithin(parsed, range, bits));
    if (isNamed) return undefined;
    if (metadataAddresses.includes(parsed.toNormalizedString())) return "the metadata service of a cloud";
    const range = parsed.range();
    return range === "unicast" || this.#rules.private === true ? undefined : rangeWords(range);
  }
}

const nat64 = ipaddr.parseCIDR("64:ff9b::/96");

/** An IPv4 address that a network's translator would be asked for. */
function embedded(address: ipaddr.IPv4 | ipaddr.IPv6): ipaddr.IPv4 | ipaddr.IPv6 {
  if (!isWithin(address, ...nat64)) return address;
  return ipaddr.fromByteArray(address.toByteArray().slice(12));
}

function isWithin(address: ipaddr.IPv4 | ipaddr.IPv6, range: ipaddr.IPv4 | ipaddr.IPv6, bits: number): boolean {
  return address.kind() === range.kind() && address.match(range as never, bits);
}

/** A URL writes IPv6 addresses in brackets. */
function bare(hostname: string): string {
  return hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
}

function rangeWords(range: string): string {
  if (range === "loopback") return "an address of this machine";
  if (range === "linkLocal") return "a link-local address";
  if (range === "private" || range === "uniqueLocal" || range === "carrierGradeNat")
    return "an address of a private network";
  return `no public address (${range})`;
}

/** Looks a name up once, and gives away only addresses that may be connected to: between check and call it cannot change. */
export function guardedAddresses(guard: AddressGuard, resolve: Resolve): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) {
        callback(error, "", 0);
        return;
      }
      try {
        const admitted = guard.admit(addresses, hostname);
        const [first] = admitted;
        if (options.all === true) callback(null, admitted);
        else callback(null, first?.address ?? "", first?.family ?? 0);
      } catch (refusal) {
        callback(refusal as Error, "", 0);
      }
    });
  };
}

/** Resolves a host name to all its addresses. */
export type Resolve = (
  hostname: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;
