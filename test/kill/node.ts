/**
 * A node as the kill tests strike it: `node.ts FOLDER ADDRESS LEASE_MS CONCURRENCY DEAF [CLOUDS]`, its own temporary folder in TMPDIR,
 * and where the services are that it calls.
 * It is composed as any other, with points around its store and its placement, and asked over IPC.
 */
import { enableCompileCache } from "node:module";
import { join } from "node:path";

enableCompileCache();
const { isAppError } = await import("@holdfast/protocol");
const { openLog } = await import("../../server/src/log.ts");
const { serve, startNode } = await import("../../server/src/main.ts");
const { ProcessPlacement } = await import("../../server/src/placements/process/process-placement.ts");
const { mergeCalls } = await import("../../server/src/store/merging.ts");
const { openPostgresStore } = await import("../../server/src/store/postgres/postgres-store.ts");
const { openStore } = await import("../../server/src/store/open.ts");
const { systemClock } = await import("../../server/src/clock.ts");
const { TrackerProcesses } = await import("../../server/src/trackers/client.ts");
const { pointedJobs, pointedTracking } = await import("./job-points.ts");
const { PointedPlacement } = await import("./pointed-placement.ts");
const { pointedStore } = await import("./pointed-store.ts");
const { pass } = await import("./points.ts");

import type { StartRun } from "@holdfast/protocol";

/** What a node is asked, and what it answers. */
export type Question = { readonly id: number } & (
  | { readonly start: StartRun }
  | { readonly cancel: string; readonly force: boolean; readonly key: string }
  | { readonly restart: string; readonly how: "retry" | "fresh" | "resume"; readonly key: string }
  | { readonly mark: string; readonly key: string }
  | { readonly pause: Pausable }
  | { readonly resume: Pausable }
);

/** A run, a definition or a queue. */
export interface Pausable {
  readonly kind: "run" | "definition" | "queue";
  readonly name: string;
}
export type Told =
  | { readonly ready: { readonly memberId: string | undefined; readonly guard: number | undefined } }
  | { readonly id: number; readonly runId: string; readonly requested?: number }
  | { readonly id: number; readonly failed: string; readonly code: string | undefined };

const [folder = "", address = "", leaseMs = "", concurrency = "", deaf = "", clouds] = process.argv.slice(2);
const root = join(import.meta.dirname, "../..");
const log = openLog("warn");
const passHere = (point: string) => pass(folder, point);

process.once("disconnect", () => process.exit(1));
const store = await openHere();
const pointed = pointedStore(mergeCalls(store, { clock: systemClock }), passHere);
const services = serve(clouds === undefined ? pointed : pointedJobs(pointed, passHere), { pollMs: 250 });
const placement = new ProcessPlacement({
  projectRoot: root,
  concurrency: Number(concurrency),
  abortGraceMs: 1_000,
  termGraceMs: 1_000,
  log,
});
const node = await startNode(services, {
  ...(clouds === undefined ? {} : { tracking: trackingAt(clouds) }),
  root,
  log,
  leaseMs: Number(leaseMs),
  pollMs: 250,
  concurrency: Number(concurrency),
  placement: new PointedPlacement(placement, passHere),
});

/** What calls the services of the test, in processes of its own, with points around it. */
function trackingAt(url: string) {
  const connections = {
    http: { service: "http", baseUrl: url },
    cloudrun: { project: "shop", location: "europe-west1", baseUrl: url },
  };
  return pointedTracking(new TrackerProcesses({ projectRoot: root, connections }), passHere);
}

/** On PostgreSQL there are points between the statements of a transaction too. */
function openHere() {
  if (!address.startsWith("postgres")) return openStore(address, { role: "owner", clock: systemClock });
  const swallowRings = deaf === "true";
  return openPostgresStore({ url: address, swallowRings, beforeStatement: async (name) => passHere(`sql.${name}`) });
}

const tell = (told: Told) => process.send?.(told);

/** A run that has ended meanwhile is no fault. */
async function pauseOrResume(verb: "pause" | "resume", { kind, name }: Pausable): Promise<{ name: string }> {
  try {
    return await services.pauses[verb](kind, name);
  } catch (error) {
    if (isAppError(error, "run_ended")) return { name };
    throw error;
  }
}

async function answer(question: Question): Promise<Told> {
  const { id } = question;
  try {
    if ("cancel" in question) {
      const { cancel, force } = question;
      await services.requests.once(question.key, { cancel, force }, (control) =>
        services.runs.cancel(cancel, { force }, control),
      );
      return { id, runId: cancel };
    }
    if ("restart" in question) {
      const { restart, how } = question;
      await services.requests.once(question.key, { restart, how }, (control) => {
        if (how === "retry") return services.restarts.retry(restart, {}, control);
        return services.restarts.clear(restart, { fresh: how === "fresh" }, control);
      });
      return { id, runId: restart };
    }
    if ("mark" in question) {
      const { mark } = question;
      await services.requests.once(question.key, { mark }, (control) =>
        services.marks.mark(mark, { status: "skipped" }, control),
      );
      return { id, runId: mark };
    }
    if ("pause" in question) return { id, runId: (await pauseOrResume("pause", question.pause)).name };
    if ("resume" in question) return { id, runId: (await pauseOrResume("resume", question.resume)).name };
    return { id, runId: (await services.runs.start(question.start)).run.id };
  } catch (error) {
    return { id, failed: String(error), code: isAppError(error) ? error.code : undefined };
  }
}

process.on("message", (message: Question | "stop") => {
  if (message !== "stop") return void answer(message).then(tell);
  void node.stop({ graceMs: 0 }).then(async () => {
    await services.close();
    process.disconnect();
  });
});
tell({ ready: { memberId: node.memberId, guard: placement.processes.guard } });
