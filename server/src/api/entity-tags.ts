import { AppError, isAppError, type StateTarget } from "@holdfast/protocol";
import type { State } from "../operations/state.ts";
import type { Call } from "./route.ts";

// Conditions of requests (RFC 9110 §13) on values of state: a value's entity tag is its version in quotes.

/** The tag of what has a version; undefined where there is nothing. */
export function tagOf(answer: unknown): string | undefined {
  const version = typeof answer === "object" && answer !== null && "version" in answer ? answer.version : undefined;
  return typeof version === "number" && version > 0 ? `"${version}"` : undefined;
}

/** Whether an `If-None-Match` names this tag, so that whoever asks has what there is. Weak tags say the same here. */
export function isKnown(ifNoneMatch: string | undefined, tag: string | undefined): boolean {
  if (ifNoneMatch === undefined || tag === undefined) return false;
  return ifNoneMatch.trim() === "*" || tagsIn(ifNoneMatch).some((named) => named.replace(/^W\//, "") === tag);
}

/** Who changes one value: its version has to be this one, 0 where there must be none; absent: whichever. */
type Condition = { readonly ifVersion?: number };
type Conditional = Pick<Call<unknown, unknown>, "ifMatch" | "ifNoneMatch">;

/**
 * Changes a value only where the headers of the request hold. `given`: the version that its body or query asks for. Throws
 * `precondition_failed`; a version that was asked for otherwise is a `state_conflict` as ever.
 */
export async function underCondition<T>(
  { ifMatch, ifNoneMatch }: Conditional,
  { state, target, key, given }: { state: State; target: StateTarget; key: string; given: number | undefined },
  change: (only: Condition) => Promise<T>,
): Promise<T> {
  if (ifMatch === undefined && ifNoneMatch === undefined) {
    return change(given === undefined ? {} : { ifVersion: given });
  }
  if (given !== undefined || (ifMatch !== undefined && ifNoneMatch !== undefined)) {
    throw new AppError("invalid_request", "The request says in two ways which version the value has to have.", {
      hint: "Say it once: If-Match, If-None-Match: *, or ifVersion.",
    });
  }
  const ifVersion = ifMatch === undefined ? noneOf(ifNoneMatch ?? "") : await oneOf(ifMatch, { state, target, key });
  try {
    return await change({ ifVersion });
  } catch (error) {
    throw isAppError(error, "state_conflict") ? failed(key) : error;
  }
}

function noneOf(ifNoneMatch: string): number {
  if (ifNoneMatch.trim() === "*") return 0;
  throw new AppError("invalid_request", "If-None-Match of a change can only be *: the value must not be there.", {
    hint: 'A value that has to have a version is changed with If-Match: "7".',
  });
}

/** The version that is there, where the header names it. */
async function oneOf(
  ifMatch: string,
  { state, target, key }: { state: State; target: StateTarget; key: string },
): Promise<number> {
  const tags = ifMatch.trim() === "*" ? undefined : tagsIn(ifMatch);
  const [only, ...others] = tags ?? [];
  const version = only === undefined || others.length > 0 ? undefined : versionIn(only);
  if (version !== undefined) return version;
  const there = await state.get(target, key).catch((error: unknown) => {
    throw isAppError(error, "not_found") && error.details !== undefined ? failed(key) : error;
  });
  if (tags === undefined || tags.some((tag) => versionIn(tag) === there.version)) return there.version;
  throw failed(key);
}

/** Throws `invalid_request` for what is no list of tags. */
function tagsIn(header: string): string[] {
  const tags = header.split(",").map((tag) => tag.trim());
  if (tags.every((tag) => /^(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"$/.test(tag))) return tags;
  throw new AppError("invalid_request", `${JSON.stringify(header.slice(0, 60))} is no entity tag.`, {
    hint: 'Write the version that was answered, in quotes: "7".',
  });
}

/** Weak tags and what is no version match nothing. */
function versionIn(tag: string): number | undefined {
  return /^"[1-9]\d{0,15}"$/.test(tag) ? Number(tag.slice(1, -1)) : undefined;
}

function failed(key: string): AppError {
  return new AppError("precondition_failed", `"${key}" has not the version that the request asks for.`, {
    hint: "Read it again and decide anew.",
    details: { key },
  });
}
