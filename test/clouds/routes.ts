import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import type { Refusal } from "./refusal.ts";
import type { ServiceName } from "./services.ts";
import type { World } from "./world.ts";

/** What is sent back: a body of JSON, a text with a type of its own, or a stream that the handler writes itself. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly text?: string;
  readonly stream?: (response: ServerResponse) => void;
}

/** One request, read whole, with what its handler may touch. */
export interface Exchange {
  readonly world: World;
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** Parsed JSON, `{}` when nothing was sent, `undefined` when it is no JSON. */
  readonly body: unknown;
  readonly text: string;
  /** Ends long waits when the client has gone. */
  readonly gone: AbortSignal;
  /** Says which job the call was about, for the record, and whether it made the job. */
  about(job: string, made?: boolean): void;
}

export interface Route {
  readonly method: string;
  /** `/v1/projects/{project}/jobs/{job}:cancel`; a name stands for one part of the path. */
  readonly path: string;
  /** The vendor's own name of the method: `jobs.insert`. */
  readonly operation: string;
  handle(exchange: Exchange): Answer | Promise<Answer>;
}

export interface Service {
  readonly name: ServiceName;
  readonly routes: readonly Route[];
  /** Whether a path that no route knows would have come to this service. */
  owns(path: string): boolean;
  /** The refusal as the service words it: body, headers. */
  refuse(refusal: Refusal): Answer;
  /** How the service answers a path that it does not know. */
  unknown(method: string, path: string): Answer;
  /** Refuses a request that is not signed in. */
  admit(exchange: Pick<Exchange, "world" | "headers" | "path">): void;
}

interface Entry {
  readonly service: Service;
  readonly route: Route;
  readonly pattern: RegExp;
}

export interface Found {
  readonly service: Service;
  readonly route: Route;
  readonly params: Record<string, string>;
}

export class Router {
  readonly #entries: readonly Entry[];
  readonly #services: readonly Service[];

  constructor(services: readonly Service[]) {
    this.#services = services;
    this.#entries = services.flatMap((service) =>
      service.routes.map((route) => ({ service, route, pattern: patternOf(route.path) })),
    );
  }

  find(method: string, path: string): Found | undefined {
    for (const { service, route, pattern } of this.#entries) {
      const match = route.method === method ? pattern.exec(path) : null;
      if (match === null) continue;
      const params: Record<string, string> = {};
      for (const [name, value] of Object.entries(match.groups ?? {})) params[name] = decodeURIComponent(value);
      return { service, route, params };
    }
    return undefined;
  }

  /** The service that such a path would have come to. */
  owner(path: string): Service | undefined {
    return this.#services.find((service) => service.owns(path));
  }
}

function patternOf(path: string): RegExp {
  const escaped = path.replaceAll(/[.*+?^$()[\]\\|]/g, "\\$&");
  return new RegExp(`^${escaped.replaceAll(/\{(\w+)\}/g, "(?<$1>[^/]+?)")}/?$`);
}
