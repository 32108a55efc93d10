import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { withoutForeign } from "./descriptors.ts";

// Ends the groups of children when this process dies, however it dies. The end of the channel is not enough: a child that
// is stopped, loops, or is a plain command never reads it. The guard is a shell of about 1 MB in a session of its own, so
// that a terminal's Ctrl-C does not reach it; it is told of each group's start and end over a pipe, and when the pipe
// closes it kills what is left. A number that the system has given to another process meanwhile is not touched: the start
// time of the group's leader tells them apart, and while any member lives the number is not given away. It removes the
// node's folder of inputs too. A leaf: placements and the compiler have children.

const script = `
trap '' INT TERM HUP QUIT TSTP
groups=' '
folder=''
while read -r verb group started; do
  case "$verb" in
    f) folder="$group\${started:+ $started}" ;;
    +) groups="$groups$group:$started " ;;
    -) case "$groups" in *" $group:"*)
         after="\${groups#*" $group:"}"
         groups="\${groups%%" $group:"*} \${after#* }" ;;
       esac ;;
  esac
done
for entry in $groups; do
  group="\${entry%%:*}"
  started="\${entry#*:}"
  now="$started"
  if read -r line 2>/dev/null < "/proc/$group/stat"; then
    set -- \${line##*) }
    now="\${20}"
  fi
  [ "$now" = "$started" ] && kill -s KILL -- "-$group" 2>/dev/null
done
[ -n "$folder" ] && command -p rm -rf -- "$folder"
exit 0
`;

const quickDeathMs = 1_000;
const quickDeaths = 5;

/** One for a node, and one for each compile process. Replaced when it dies. */
export class Guard {
  readonly #groups = new Map<number, string>();
  readonly #onUnguarded: () => void;
  readonly #command: string;
  #folder: string | undefined;
  #shell: ChildProcess | undefined;
  #shellSince = 0;
  #quickDeaths = 0;
  #closed = false;

  /** `onUnguarded`: no guard can be kept alive, so what runs must be stopped. */
  constructor(onUnguarded: () => void, options: { readonly shell?: string } = {}) {
    this.#onUnguarded = onUnguarded;
    this.#command = options.shell ?? "/bin/sh";
    this.#start();
  }

  /** The guard's process, for tests. */
  get pid(): number | undefined {
    return this.#shell?.pid;
  }

  /** Call right after the leader was started, in the same turn, so that its number is surely its own. */
  add(group: number, started: string = startTime(group)): void {
    if (this.#shell === undefined) this.#start();
    this.#groups.set(group, started);
    this.#tell(`+ ${group} ${started}\n`);
  }

  /** The group is gone. */
  remove(group: number): void {
    if (this.#groups.delete(group)) this.#tell(`- ${group}\n`);
  }

  /** A folder of this node's own (absolute, no line ends): removed by the guard when the node has ended, however it ended. */
  removeAtEnd(folder: string): void {
    this.#folder = folder;
    this.#tell(`f ${folder}\n`);
  }

  /** Ends the guard; groups that were not removed are killed by it. Resolves when it has ended. */
  close(): Promise<void> {
    this.#closed = true;
    const shell = this.#shell;
    if (shell === undefined || shell.exitCode !== null || shell.signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
      shell.ref();
      shell.once("exit", () => resolve());
      shell.stdin?.end();
    });
  }

  #tell(line: string): void {
    this.#shell?.stdin?.write(line);
  }

  #start(): void {
    const shell = spawn(this.#command, ["-c", script, "holdfast-guard"], {
      detached: true,
      stdio: withoutForeign(["pipe", "ignore", "ignore"]),
      cwd: "/",
      env: {},
    });
    this.#shell = shell;
    this.#shellSince = performance.now();
    shell.once("error", () => this.#lost(shell));
    shell.once("exit", () => this.#lost(shell));
    shell.stdin?.on("error", () => undefined); // it died: "exit" follows
    // Neither the process nor its pipe keeps this one alive.
    shell.unref();
    (shell.stdin as unknown as { unref(): void }).unref();
    for (const [group, started] of this.#groups) this.#tell(`+ ${group} ${started}\n`);
    if (this.#folder !== undefined) this.#tell(`f ${this.#folder}\n`);
  }

  #lost(shell: ChildProcess): void {
    if (this.#closed || this.#shell !== shell) return;
    this.#shell = undefined;
    this.#quickDeaths = performance.now() - this.#shellSince < quickDeathMs ? this.#quickDeaths + 1 : 0;
    if (this.#quickDeaths < quickDeaths) {
      this.#start();
      return;
    }
    this.#quickDeaths = 0;
    this.#onUnguarded();
  }
}

/** When a process was started, in the kernel's own ticks; "?" where there is no /proc. */
function startTime(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "?";
  } catch {
    return "?";
  }
}
