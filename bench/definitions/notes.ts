// What the bodies of this process have to say to the bench, which may hold another copy of this module.

interface Notes {
  bodies: number;
  readonly delaysMs: number[];
  wantedBodies: number;
  onWanted: () => void;
}

const place = Symbol.for("holdfast.bench.notes");
const shared = globalThis as unknown as Record<symbol, Notes | undefined>;

function notes(): Notes {
  shared[place] ??= { bodies: 0, delaysMs: [], wantedBodies: 0, onWanted: () => undefined };
  return shared[place];
}

/** A body has run; `delayMs`: how long it waited for its start. */
export function noteBody(delayMs?: number): void {
  const own = notes();
  if (delayMs !== undefined) own.delaysMs.push(delayMs);
  own.bodies += 1;
  if (own.bodies === own.wantedBodies) own.onWanted();
}

/** Resolves when `count` more bodies have run in this process. */
export function bodiesRun(count: number): Promise<void> {
  const own = notes();
  own.wantedBodies = own.bodies + count;
  return new Promise((resolve) => {
    own.onWanted = resolve;
  });
}

/** How many bodies have run in this process. */
export function countBodies(): number {
  return notes().bodies;
}

/** The delays noted since the last call. */
export function takeDelaysMs(): number[] {
  return notes().delaysMs.splice(0);
}
