import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";

/** Where a service is, and how one signs in: the fake's address, or the real one's. */
export interface Service {
  readonly url: string;
  readonly token: string;
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** One call, with its answer as JSON. */
export async function call({ url, token }: Service, method: string, path: string, body?: object): Promise<Answer> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const response = await fetch(`${url}${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) });
  const text = await response.text();
  return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
}

const pollMs = 1_000;
const maxPolls = 300;

/** Asks until the answer is what is waited for: a real service takes its time. */
export async function until(ask: () => Promise<Answer>, isThere: (answer: Answer) => boolean): Promise<Answer> {
  for (let poll = 0; poll < maxPolls; poll++) {
    const answer = await ask();
    if (isThere(answer)) return answer;
    await pause(pollMs);
  }
  return assert.fail(`Not there after ${maxPolls} polls.`);
}

/** What stands at a path of an answer's body, `status.errorResult.reason`; undefined where there is nothing. */
export function at(value: unknown, path: string): unknown {
  return path.split(".").reduce((part: unknown, name) => (part as Record<string, unknown> | undefined)?.[name], value);
}

/** The list at a path of an answer's body; empty where there is none. */
export function listAt(value: unknown, path: string): unknown[] {
  const found = at(value, path);
  return Array.isArray(found) ? found : [];
}

/** Fields that must be there: of the fake as of the real service. */
export function assertFields(value: unknown, names: readonly string[]): void {
  const missing = names.filter((name) => at(value, name) === undefined);
  assert.deepEqual(missing, [], `missing in ${JSON.stringify(value)}`);
}

/** A name that no other run has used. */
export function freshName(): string {
  return `hf-${Date.now().toString(36)}-${Math.floor(performance.now()).toString(36)}`;
}
