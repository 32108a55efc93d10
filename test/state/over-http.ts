import assert from "node:assert/strict";
import type { Api } from "../../server/src/api/server.ts";
import { type Act, assetName } from "./scenarios.ts";

interface Said {
  readonly status: number;
  readonly json: { readonly [key: string]: unknown };
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, h: 3_600_000, d: 86_400_000 };

/** Carries out what it is told by requests, and answers what it saw, as bodies do. `id`: the run's; its task's is `task`. */
export class OverHttp {
  readonly #api: Api;
  readonly #task: string;

  constructor(api: Api, task: string) {
    this.#api = api;
    this.#task = task;
  }

  async carryOut(run: string, acts: readonly Act[]): Promise<unknown[]> {
    const seen: unknown[] = [];
    for (const act of acts) {
      const asset = `/v1/assets/${encodeURIComponent(assetName(act, this.#task))}`;
      const task = `/v1/tasks/${encodeURIComponent(this.#task)}`;
      const owner = act.of === "asset" ? asset : act.of === "task" ? task : `/v1/runs/${run}`;
      seen.push((await this.#doneTo(asset, act)) ?? (await this.#done(`${owner}/state`, act)));
    }
    return seen;
  }

  async ask(method: "GET" | "POST" | "PUT" | "DELETE", url: string, body?: string): Promise<Said> {
    const headers = { host: "localhost", ...(body === undefined ? {} : { "content-type": "application/json" }) };
    const answer = await this.#api.inject({ method, url, headers, ...(body === undefined ? {} : { payload: body }) });
    return { status: answer.statusCode, json: answer.json() as Said["json"] };
  }

  /** Undefined: it is state that the act is of. */
  async #doneTo(asset: string, { key = "", value, event, eventKey, ...act }: Act): Promise<unknown> {
    const mark = `${asset}/watermarks/${encodeURIComponent(key)}`;
    const keyed = eventKey === undefined ? {} : { key: eventKey };
    switch (act.do) {
      case "isOwn":
        return { own: (await this.ask("GET", `${asset}/state/${encodeURIComponent(key)}`)).json.writer === null };
      case "watermark":
        return found(await this.ask("GET", mark));
      case "advance": {
        const with_ = event === undefined ? {} : { event: { payload: event } };
        const answer = await this.ask("PUT", mark, JSON.stringify({ to: value, ...with_ }));
        return answer.status === 200 ? { changed: answer.json.changed, event: answer.json.event } : told(answer);
      }
      case "emit":
        return (await this.ask("POST", `${asset}/events`, JSON.stringify({ payload: value, ...keyed }))).json;
      case "events": {
        const { events } = (await this.ask("GET", `${asset}/events`)).json;
        return {
          events: (events as { number: number; key: string | null; payload: unknown }[]).map((one) => [
            one.number,
            one.key,
            one.payload,
          ]),
        };
      }
      default:
        return undefined;
    }
  }

  async #done(place: string, { key = "", ...act }: Act): Promise<unknown> {
    const path = `${place}/${encodeURIComponent(key)}`;
    switch (act.do) {
      case "get":
        return found(await this.ask("GET", path));
      case "untilAbsent":
        for (;;) if ((await this.ask("GET", path)).status === 404) return { absent: true };
      case "entry": {
        const { updatedAt, expiresAt } = (await this.ask("GET", path)).json as Record<string, string | null>;
        if (expiresAt === null) return { expires: null };
        return { expires: Math.round((Date.parse(String(expiresAt)) - Date.parse(String(updatedAt))) / 60_000) };
      }
      case "list":
        return { keys: ((await this.ask("GET", place)).json.values as { key: string }[]).map((each) => each.key) };
      case "set": {
        const kept = act.retention === undefined ? {} : { retentionMs: retentionMs(act.retention) };
        return told(await this.ask("PUT", path, textOf({ value: act.value, ...only(act), ...kept })), "version");
      }
      case "delete":
        return told(
          await this.ask("DELETE", `${path}${act.ifVersion === undefined ? "" : `?ifVersion=${act.ifVersion}`}`),
        );
      case "clear": {
        const prefix = act.prefix === undefined ? "" : `?prefix=${encodeURIComponent(act.prefix)}`;
        return told(await this.ask("DELETE", `${place}${prefix}`), "cleared");
      }
      default: {
        const given = act.do === "increment" ? { by: act.value } : { value: act.value };
        const answer = await this.ask("POST", place, textOf({ ops: [{ op: act.do, key, ...given }] }));
        const [result] = (answer.json.results as Record<string, unknown>[] | undefined) ?? [];
        const name = { increment: "value", append: "length", setIfMax: "changed" }[act.do as "increment"];
        return result === undefined ? told(answer) : { [name]: result[name] };
      }
    }
  }
}

function found(answer: Said): unknown {
  if (answer.status === 200) return { value: answer.json.value };
  const refused = told(answer) as { readonly refused?: string };
  return refused.refused === "not_found" ? { absent: true } : refused;
}

function told({ status, json }: Said, name?: string): unknown {
  if (status === 200) return name === undefined ? {} : { [name]: json[name] };
  const { code } = json.error as { readonly code: string };
  assert.ok(status < 500, JSON.stringify(json));
  return { refused: code === "invalid_request" ? "invalid" : code };
}

function only({ ifVersion }: Act): { ifVersion?: number } {
  return ifVersion === undefined ? {} : { ifVersion };
}

/** Over HTTP a duration is milliseconds, and none is null: 0 and texts are no milliseconds. */
function retentionMs(retention: unknown): unknown {
  if (retention === "never" || retention === 0) return null;
  const [, count, unit = ""] = /^(-?\d+)(ms|s|h|d)$/.exec(String(retention)) ?? [];
  return count === undefined ? String(retention) : Number(count) * (units[unit] ?? 1);
}

/** JSON, with the numbers that it cannot say as JavaScript writes them, and long texts. */
function textOf(body: unknown): string {
  return JSON.stringify(body)
    .replaceAll(/\{"\$number":"([^"]+)"\}/g, "$1")
    .replaceAll(/\{"\$repeat":(\d+)\}/g, (_, count: string) => `"${"x".repeat(Number(count))}"`);
}
