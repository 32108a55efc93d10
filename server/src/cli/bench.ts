import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ControlPlane } from "@holdfast/sdk/client";
import { compileProject } from "../compile/compile.ts";
import type { Settings } from "../config.ts";
import { type EmbeddedConnection, openEmbedded } from "./connection.ts";
import { exitCodes, InvalidProject } from "./failures.ts";
import { type CommonFlags, openProject } from "./project.ts";
import { shownStore } from "./store-address.ts";
import { tableText } from "./table.ts";
import type { Terminal } from "./terminal.ts";

const callers = 10;
const concurrency = 16;
const waitMs = 30_000;

const benchModule = `import { task, workflow } from "holdfast";
export const inline = task({ id: "bench-inline", placement: "inline" }, () => null);
export const child = task({ id: "bench-process" }, () => null);
export const fan = workflow({ id: "bench-fan" }, (w) =>
  w.map(Array.from({ length: 200 }, (_, i) => i), inline, { key: (i) => i }).outputs);
`;

interface Measured {
  readonly name: string;
  readonly value: number;
  readonly unit: "runs/s" | "ms";
}

/**
 * `holdfast bench`: how fast this machine and store are, in about ten seconds: a new SQLite file, or the store that --store
 * names, in a namespace of its own. The comparison with other systems is bench/ in the repository.
 */
export async function bench(terminal: Terminal, flags: CommonFlags): Promise<number> {
  const root = mkdtempSync(join(tmpdir(), "holdfast-bench-"));
  try {
    writeFileSync(join(root, "package.json"), '{"type":"module"}');
    writeFileSync(join(root, "bench.ts"), benchModule);
    const store = flags.store ?? `sqlite:${join(root, "bench.db")}`;
    const project = await openProject(terminal, { store }, root);
    const settings: Settings = { ...project, namespace: `bench-${randomUUID().slice(0, 8)}`, concurrency };
    const measured = await measure(terminal, settings);
    terminal.answer({ store: shownStore(store), measured });
    terminal.print(
      tableText(
        terminal,
        [
          { title: "MEASURED", text: ({ name }) => name },
          {
            title: "VALUE",
            text: ({ value }) => (value < 100 ? value.toFixed(1) : String(Math.round(value))),
            right: true,
          },
          { title: "UNIT", text: ({ unit }) => unit },
        ],
        measured,
      ),
    );
    terminal.note(terminal.colors.dim(`\n${flags.store === undefined ? "a new SQLite file" : shownStore(store)}`));
    return exitCodes.done;
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

async function measure(terminal: Terminal, settings: Settings): Promise<Measured[]> {
  const { manifests, problems } = await compileProject({ root: settings.root, files: ["bench.ts"] });
  if (problems.length > 0) throw new InvalidProject(problems);
  const connection: EmbeddedConnection = await openEmbedded(settings, { migrate: true });
  try {
    const { plane } = connection;
    await plane.apply(manifests.map(({ manifest }) => manifest));
    await connection.work({ schedules: false });
    const say = (name: string): void => terminal.note(terminal.colors.dim(`${name}…`));
    say("warming up");
    await batch(plane, "bench-inline", 100);
    await batch(plane, "bench-process", concurrency);
    say("inline tasks");
    const inline = await batch(plane, "bench-inline", 2_000);
    say("tasks in processes");
    const processes = await batch(plane, "bench-process", 500);
    say("latency");
    const latencyMs = await medianMs(50, () => batch(plane, "bench-inline", 1));
    say("fan-out");
    const fanMs = await medianMs(3, () => batch(plane, "bench-fan", 1));
    return [
      { name: `inline tasks, enqueued by ${callers} callers and ended`, value: inline, unit: "runs/s" },
      { name: "tasks in warm processes", value: processes, unit: "runs/s" },
      { name: "one inline task from start to result, median", value: latencyMs, unit: "ms" },
      { name: "fan-out to 200 inline tasks and join, median", value: fanMs, unit: "ms" },
    ];
  } finally {
    await connection.close();
  }
}

/** Starts runs from several callers and waits for all of them. Runs a second. */
async function batch(plane: ControlPlane, definition: string, count: number): Promise<number> {
  const startedMs = performance.now();
  const ids: string[] = [];
  let left = count;
  const call = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const { run } = await plane.startRun({ definition }, randomUUID());
      ids.push(run.id);
    }
  };
  await Promise.all(Array.from({ length: Math.min(callers, count) }, call));
  // They end about in order: the waits for most of them find them ended.
  for (const id of ids) await plane.awaitRun(id, waitMs);
  return (count / (performance.now() - startedMs)) * 1_000;
}

async function medianMs(times: number, act: () => Promise<unknown>): Promise<number> {
  const lengths: number[] = [];
  for (let i = 0; i < times; i++) {
    const startedMs = performance.now();
    await act();
    lengths.push(performance.now() - startedMs);
  }
  return lengths.sort((a, b) => a - b)[Math.floor(times / 2)] ?? 0;
}
