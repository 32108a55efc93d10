import { randomBytes } from "node:crypto";
import type { Clock } from "./clock.ts";
import type { Entry, Journal } from "./journal.ts";

/** A token that is good for ever, for tests that are not about signing in. */
export const testToken = "clouds-test-token";

/** Access tokens that were given out, and until when they are good. */
export class Tokens {
  readonly #clock: Clock;
  readonly #journal: Journal;
  readonly #expiries = new Map<string, number>();
  /** Whether calls without a token are admitted, as emulators admit them. */
  areOptional = false;
  /** How long the next tokens are good for. */
  lifetimeMs = 3_600_000;

  constructor(options: { clock: Clock; journal: Journal }) {
    this.#clock = options.clock;
    this.#journal = options.journal;
  }

  give(): { readonly token: string; readonly lifetimeS: number } {
    const token = `ya29.c.${randomBytes(24).toString("base64url")}`;
    this.set(token, this.lifetimeMs);
    return { token, lifetimeS: Math.floor(this.lifetimeMs / 1000) };
  }

  set(token: string, lifetimeMs: number): void {
    const entry = { token, expiresMs: this.#clock.nowMs() + lifetimeMs };
    this.restore(entry);
    this.#journal.write("token", entry);
  }

  restore(entry: unknown): void {
    const { token, expiresMs } = entry as { token: string; expiresMs: number };
    this.#expiries.set(token, expiresMs);
  }

  entries(): Entry[] {
    return [...this.#expiries].map(([token, expiresMs]) => ({ kind: "token", value: { token, expiresMs } }));
  }

  isGood(token: string): boolean {
    if (token === testToken) return true;
    return (this.#expiries.get(token) ?? Number.NEGATIVE_INFINITY) > this.#clock.nowMs();
  }

  /** Every token that was given out is refused from now on. */
  expireAll(): void {
    for (const token of [...this.#expiries.keys()]) this.set(token, 0);
  }
}
