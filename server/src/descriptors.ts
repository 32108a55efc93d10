import { openSync, readdirSync, readFileSync } from "node:fs";

// What this process's starter has left open (a lock, a connection, a file with secrets) is nobody's business in its children.
// Node marks what it opens itself, and the first descriptors that it was given, so that children do not get them; one with a
// high number that comes after a gap it does not see. It cannot be marked from here; but something else can be put in its place.

/** What `stdio` of a child may be. */
type Stdio = "ignore" | "pipe" | number;

const closedOnExec = 0o2000000;
let foreign: readonly number[] | undefined;
let nothing: number | undefined;

/** The same, with nothing behind each descriptor that the child would inherit besides. */
export function withoutForeign(stdio: readonly Stdio[]): Stdio[] {
  foreign ??= findForeign();
  const own: Stdio[] = [...stdio];
  for (const descriptor of foreign) {
    if (descriptor < stdio.length) continue;
    while (own.length < descriptor) own.push("ignore");
    nothing ??= openSync("/dev/null", "r+");
    own[descriptor] = nothing;
  }
  return own;
}

/** Descriptors that children would inherit, in order; none where there is no /proc. */
function findForeign(): number[] {
  try {
    const all = readdirSync("/proc/self/fd").map(Number);
    return all.filter((descriptor) => descriptor > 2 && isInherited(descriptor)).sort((a, b) => a - b);
  } catch {
    return [];
  }
}

function isInherited(descriptor: number): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, "latin1"))?.[1];
    return flags !== undefined && (Number.parseInt(flags, 8) & closedOnExec) === 0;
  } catch {
    // The one that listed them.
    return false;
  }
}
