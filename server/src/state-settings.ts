import { type Duration, limits } from "@holdfast/protocol";
import type { KeptStateConfig } from "./state-retention-settings.ts";

// Where large values of state lie, as the configuration says it (docs/guides/state-backends.md).

/** What `state` of the configuration may say. */
export interface StateConfig extends KeptStateConfig {
  /**
   * `file:./folder` (relative to the root; nodes of a fleet need the same one), `redis://…`, or `module:./my-backend.ts`, which exports
   * `openStateBackend`; default `store`: values have 64 KiB at most, and all of them lie in the store.
   */
  readonly backend?: string;
  /** Values of more bytes than this, as JSON, lie with the backend; default 64 KiB, which is the most. */
  readonly inlineBytes?: number;
  /** How long an object stays that no value names any more; default 1h. */
  readonly sweepAfter?: Duration;
  /** Whether a backend may be used that loses what it has acknowledged when it crashes; default false. */
  readonly acceptLoss?: boolean;
}

export interface StateSettings {
  readonly backend: string;
  readonly inlineBytes: number;
  readonly sweepAfterMs: number;
  readonly acceptLoss: boolean;
}

export const stateKeys = ["retention", "backend", "inlineBytes", "sweepAfter", "acceptLoss"];
export const stateBackendHint = 'Write "store", "file:./folder", "redis://…" or "module:./my-backend.ts".';
const backendPattern = /^(?:store|file:(?!\/\/).+|rediss?:\/\/\S+|module:.+)$/;
const hourMs = 3_600_000;

/** As configuration is read: by name, from whichever source ranks highest. */
interface Reader {
  text(name: string, pattern: RegExp): string | undefined;
  integer(name: string, range: { readonly min: number; readonly max: number }): number | undefined;
  duration(name: string, leastMs: number): number | undefined;
  flag(name: string): boolean | undefined;
  addInFile(key: string, message: string, hint: string): void;
}

export function readState(reader: Reader): StateSettings {
  const backend = reader.text("state.backend", backendPattern) ?? "store";
  const inlineBytes = reader.integer("state.inlineBytes", { min: 1_024, max: limits.stateValueBytes });
  const sweepAfterMs = reader.duration("state.sweepAfter", 0);
  const acceptLoss = reader.flag("state.acceptLoss");
  const vain = Object.entries({ inlineBytes, sweepAfter: sweepAfterMs, acceptLoss }).find(
    ([, value]) => value !== undefined,
  );
  if (backend === "store" && vain !== undefined) {
    reader.addInFile(
      vain[0],
      `"state.${vain[0]}" says nothing while all values lie in the store`,
      `state.backend: ${stateBackendHint}`,
    );
  }
  return {
    backend,
    inlineBytes: inlineBytes ?? limits.stateValueBytes,
    sweepAfterMs: sweepAfterMs ?? hourMs,
    acceptLoss: acceptLoss ?? false,
  };
}
