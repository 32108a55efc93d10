import {
  AppError,
  type ChannelStateOp,
  type ChannelStateScope,
  canonicalText,
  isAppError,
  type Json,
  limits,
  stateVersionKey,
} from "@holdfast/protocol";
import type { VersionedState } from "./state.ts";
import type { StateSchema } from "./state-schema.ts";
import type { StateSteps } from "./state-steps.ts";

// Values that were written by code of an earlier version are made into those of this one, at the first use of their scope, in one
// commit with the version that is kept beside them. Who was slower finds them done.

interface Place {
  readonly steps: StateSteps;
  readonly scope: ChannelStateScope;
  /** As it stands in the names of steps. */
  readonly name: string;
  readonly schema: StateSchema;
}

/** Resolves once the values are of the declared version. Throws where they are of a later one, or too many would change. */
export async function migrated({ version, migrate }: VersionedState, place: Place): Promise<void> {
  const { steps, scope, name } = place;
  for (;;) {
    const marked = await steps.read(scope, stateVersionKey);
    const from = typeof marked?.value === "number" ? marked.value : 1;
    if (from === version) return;
    if (from > version) {
      throw new AppError(
        "invalid_request",
        `The state of this ${name} is of version ${from} of its schema, and this code knows ${version}.`,
        { hint: "Newer code has written it: run that, or clear the state." },
      );
    }
    const mark = { op: "set", scope, key: stateVersionKey, value: version, ifVersion: marked?.version ?? 0 } as const;
    const changes = await changesOf(place, { from, version, migrate });
    try {
      await steps.commit(steps.freshKey(`migrate/${name}`), [mark, ...changes]);
      return;
    } catch (error) {
      if (!isAppError(error, "state_conflict")) throw error;
    }
  }
}

async function changesOf(
  { steps, scope, name, schema }: Place,
  {
    from,
    version,
    migrate,
  }: { readonly from: number; readonly version: number; readonly migrate: VersionedState["migrate"] },
): Promise<ChannelStateOp[]> {
  const found = (await steps.list(scope, undefined)).filter(({ key }) => key !== stateVersionKey);
  if (found.length === 0 || migrate === undefined) return [];
  const values = Object.fromEntries(found.map(({ key, value }) => [key, value]));
  const made = new Map<string, Json>(
    Object.entries(migrate(values, from)).map(([key, value]) => [schema.key(key), schema.value(key, value)]),
  );
  const changes: ChannelStateOp[] = [];
  for (const { key, value, version: ifVersion, updatedAt, expiresAt } of found) {
    const retentionMs = expiresAt === null ? null : Math.max(1, Date.parse(expiresAt) - Date.parse(updatedAt));
    const next = made.get(key);
    made.delete(key);
    if (next === undefined) changes.push({ op: "delete", scope, key, ifVersion });
    else if (canonicalText(next) !== canonicalText(value))
      changes.push({ op: "set", scope, key, value: next, ifVersion, retentionMs });
  }
  for (const [key, value] of made) changes.push({ op: "set", scope, key, value, ifVersion: 0 });
  if (changes.length < limits.stateOpsPerTransaction) return changes;
  throw new AppError(
    "limit_exceeded",
    `The migration of the state of this ${name} to version ${version} changes ${changes.length} keys; ${limits.stateOpsPerTransaction - 1} are allowed.`,
    { hint: "Keep the old keys readable, and change them where they are used." },
  );
}
