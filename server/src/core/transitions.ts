import { isEnded, type RunStatus } from "@holdfast/protocol";

// The machine of DESIGN §5 as one total table: each status answers each input, and what is not answered does not compile.
// P2 and P6 rest on the `cancelling` column: once a cancel is committed, nothing that an activation says changes the end.

/** What can befall a run. */
export const runInputs = [
  "release", // its upstreams have ended and the rule is met
  "refuse", // its upstreams have ended and the rule is not met
  "claim",
  "succeed",
  "fail",
  "skip",
  "retry",
  "suspend",
  "lose",
  "give_back",
  "wake", // what it waited for is over
  "cancel",
  "clean_up", // it ends as ordered, and is cleaned up first
  "settle", // cancelling, and the last obligation is met
  "clear", // an ended run starts again
  "hold_back", // what it depends on starts again
  "reopen", // what is below it starts again
] as const;
export type RunInput = (typeof runInputs)[number];

/** `stale`: the input comes too late and changes nothing. `ordered`: the run ends as its cancel or expiry said. */
export type Transition = RunStatus | "ordered" | "stale";

const ended = {
  release: "stale",
  refuse: "stale",
  claim: "stale",
  succeed: "stale",
  fail: "stale",
  skip: "stale",
  retry: "stale",
  suspend: "stale",
  lose: "stale",
  give_back: "stale",
  wake: "stale",
  cancel: "stale",
  clean_up: "stale",
  settle: "stale",
  clear: "ready",
  hold_back: "pending",
  reopen: "waiting",
} as const satisfies Record<RunInput, Transition>;

const unclaimed = {
  ...ended,
  cancel: "ordered",
  clear: "stale",
  hold_back: "stale",
  reopen: "stale",
} as const satisfies Record<RunInput, Transition>;

export const transitions = {
  pending: { ...unclaimed, release: "ready", refuse: "skipped", hold_back: "pending" },
  // A workflow or map that has been woken to say its output waits again.
  ready: { ...unclaimed, claim: "running", clean_up: "cancelling", hold_back: "pending", reopen: "waiting" },
  running: {
    ...unclaimed,
    succeed: "succeeded",
    fail: "failed",
    skip: "skipped",
    retry: "ready",
    suspend: "waiting",
    lose: "ready",
    give_back: "ready",
    cancel: "cancelling",
    clean_up: "cancelling",
    reopen: "waiting",
  },
  waiting: { ...unclaimed, wake: "ready", cancel: "cancelling", clean_up: "cancelling", reopen: "waiting" },
  cancelling: {
    ...unclaimed,
    succeed: "ordered",
    fail: "ordered",
    skip: "ordered",
    retry: "ordered",
    suspend: "ordered",
    lose: "ordered",
    give_back: "ordered",
    cancel: "stale",
    clean_up: "cancelling",
    settle: "ordered",
  },
  succeeded: ended,
  failed: ended,
  cancelled: ended,
  skipped: ended,
} as const satisfies Record<RunStatus, Record<RunInput, Transition>>;

/** Where `input` takes a run of this status. */
export function transition(status: RunStatus, input: RunInput): Transition {
  return transitions[status][input];
}

/** True when an activation may be at work on a run of this status: its process, and its right to write. */
export function mayBeActive(status: RunStatus): boolean {
  return status === "running" || status === "cancelling";
}

export { isEnded };
