import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { Callbacks } from "./callbacks.ts";
import type { Calls } from "./calls.ts";
import { HeldClock } from "./clock.ts";
import { bodies } from "./control-bodies.ts";
import type { FaultRule, Faults } from "./faults.ts";
import type { Answer } from "./routes.ts";
import type { Match, ScriptRule } from "./script.ts";
import { type ServiceName, services } from "./services.ts";
import { hasEnded, type Job, nowOf, type World } from "./world.ts";

/** Below this path tests ask what was called, and say what is to happen. Without a token, and never recorded as a call. */
export const controlPath = "/__clouds";

/** What is asked about. */
export interface Controlled {
  readonly world: World;
  readonly calls: Calls;
  readonly faults: Faults;
  readonly callbacks: Callbacks;
}

export interface ControlRequest {
  readonly method: string;
  readonly url: URL;
  readonly text: string;
  readonly gone: AbortSignal;
}

interface Asked {
  readonly server: Controlled;
  readonly query: URLSearchParams;
  readonly gone: AbortSignal;
  /** The last part of the path, where it stands for an id. */
  readonly id: string;
  read<T extends z.ZodType>(schema: T): z.output<T>;
}

class Unclear extends Error {}

type Act = (asked: Asked) => unknown;

/** What can be asked; `{id}` stands for the last part of a path. */
const table: Readonly<Record<string, Act>> = {
  "GET ": ({ server }) => ({
    services,
    nowMs: server.world.clock.nowMs(),
    jobs: server.world.list().length,
    calls: server.calls.totals(),
  }),
  "GET jobs": ({ server, query }) => {
    const { service, text = "" } = matchOf(query);
    const fits = (job: Job) => `${job.key}\n${JSON.stringify(job.spec)}`.includes(text);
    return { jobs: server.world.list(service).filter(fits).map(shown) };
  },
  "POST jobs/turn": ({ server, read }) => {
    const { service, key, ...turn } = read(bodies.turn);
    const job = jobOf(server, service, key);
    server.world.turn(job, withoutUndefined(turn));
    return shown(job);
  },
  "POST jobs/remove": ({ server, read }) => {
    const { service, key } = read(bodies.job);
    server.world.remove(jobOf(server, service, key));
    return {};
  },
  "POST scripts": ({ server, read }) => {
    const rule = { id: randomUUID(), ...read(bodies.script) } as ScriptRule;
    server.world.addRule(rule);
    return { id: rule.id };
  },
  "DELETE scripts": ({ server }) => server.world.clearRules(),
  "GET faults": ({ server }) => ({ faults: server.faults.list() }),
  "POST faults": ({ server, read }) => ({ id: server.faults.add(read(bodies.fault) as Omit<FaultRule, "id">).id }),
  "DELETE faults": ({ server }) => server.faults.clear(),
  "DELETE faults/{id}": ({ server, id }) => known(server.faults.remove(id), id),
  "POST faults/{id}/release": ({ server, id }) => known(server.faults.release(id), id),
  "GET calls": async ({ server, query, gone }) => {
    const match = matchOf(query);
    const sinceSeq = Number(query.get("since") ?? 0);
    const count = Number(query.get("count") ?? 0);
    const wanted = { match, sinceSeq, count, ended: query.get("ended") === "true", gone };
    return { calls: await server.calls.until(wanted) };
  },
  "DELETE calls": ({ server }) => server.calls.clear(),
  "GET unexpected": ({ server }) => ({ calls: server.calls.list({ operation: "unexpected" }) }),
  "GET callbacks": ({ server, query, gone }) => server.callbacks.until(Number(query.get("count") ?? 0), gone),
  "POST callbacks": ({ server, read }) => ({ id: server.callbacks.plan(withoutUndefined(read(bodies.callback))) }),
  "GET clock": ({ server }) => ({ nowMs: server.world.clock.nowMs() }),
  "POST clock": ({ server, read }) => {
    const { clock } = server.world;
    if (!(clock instanceof HeldClock))
      throw new Unclear("The clock runs by itself. Start with --clock held to move it.");
    clock.advance(read(bodies.clock).advanceMs);
    server.world.journal.write("clock", clock.nowMs());
    server.world.settle();
    return { nowMs: clock.nowMs() };
  },
  "POST tokens": ({ server, read }) => {
    const { token, lifetimeMs } = read(bodies.token);
    server.world.tokens.set(token, lifetimeMs);
  },
  "POST tokens/lifetime": ({ server, read }) => {
    server.world.tokens.lifetimeMs = read(bodies.lifetime).lifetimeMs;
  },
  "DELETE tokens": ({ server }) => server.world.tokens.expireAll(),
  "POST watches/close": ({ server }) => server.world.signals.dispatchEvent(new Event("watches.close")),
  "POST kubernetes/compact": ({ server }) => server.world.signals.dispatchEvent(new Event("kubernetes.compact")),
  "POST reset": ({ server }) => {
    server.world.clear();
    server.faults.clear();
    server.calls.clear();
    server.callbacks.clear();
  },
};

export async function answerControl(server: Controlled, asked: ControlRequest): Promise<Answer> {
  const path = asked.url.pathname.slice(controlPath.length).replace(/^\//, "");
  const [first = "", id = "", last] = path.split("/");
  const patterns = [path, last === undefined ? `${first}/{id}` : `${first}/{id}/${last}`];
  const act = patterns.map((pattern) => table[`${asked.method} ${pattern}`]).find((found) => found !== undefined);
  if (act === undefined) return { status: 404, body: { error: `There is no ${asked.method} ${asked.url.pathname}.` } };
  const read = <T extends z.ZodType>(schema: T): z.output<T> => {
    const parsed = schema.safeParse(JSON.parse(asked.text === "" ? "{}" : asked.text));
    if (!parsed.success) throw new Unclear(z.prettifyError(parsed.error));
    return parsed.data;
  };
  try {
    const body = await act({ server, query: asked.url.searchParams, gone: asked.gone, id, read });
    return { status: 200, body: typeof body === "object" ? body : {} };
  } catch (error) {
    if (error instanceof Unclear || error instanceof SyntaxError)
      return { status: 400, body: { error: error.message } };
    throw error;
  }
}

function matchOf(query: URLSearchParams): Match {
  const service = query.get("service");
  const operation = query.get("operation");
  const text = query.get("text");
  if (service !== null && !services.includes(service as ServiceName)) {
    throw new Unclear(`There is no service '${service}'; there are ${services.join(", ")}.`);
  }
  return {
    ...(service !== null && { service: service as ServiceName }),
    ...(operation !== null && { operation }),
    ...(text !== null && { text }),
  };
}

function jobOf(server: Controlled, service: ServiceName, key: string): Job {
  const job = server.world.find(service, key);
  if (job !== undefined) return job;
  const keys = server.world.list(service).map((other) => other.key);
  throw new Unclear(`${service} has no job '${key}'; it has ${keys.slice(-10).join(", ") || "none"}.`);
}

function known(found: boolean, id: string): void {
  if (!found) throw new Unclear(`There is no fault '${id}'.`);
}

/** A job as tests see it. */
function shown(job: Job): object {
  const { service, key, serial, uid, createdMs, spec, past, submissions, cancelAskedMs } = job;
  const { phase } = nowOf(job);
  return { service, key, serial, uid, createdMs, spec, phase, ended: hasEnded(job), past, submissions, cancelAskedMs };
}

/** What zod leaves as `undefined` is absent in what the fakes keep. */
function withoutUndefined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined)) as never;
}
