import type { Observation } from "@holdfast/protocol";
import { permanent } from "./failures.ts";

const prefix = "mock://";

/** Ork's examples have jobs that only pretend: `mock://success…` has succeeded, `mock://failed…` has failed, others run. */
export function isMock(url: string): boolean {
  return url.startsWith(prefix);
}

/** Throws where such jobs are not allowed: no job of a real service may succeed by pretending. */
export function observeMock(url: string, allowed: boolean): Observation {
  if (!allowed) {
    throw permanent(
      "mock_refused",
      `${url.slice(0, 100)} is a job that only pretends, and those are not allowed here.`,
      "Run it under holdfast dev, or say mockJobs: true in holdfast.config.ts.",
    );
  }
  const name = url.slice(prefix.length);
  if (name.startsWith("success")) return { phase: "succeeded", rawStatus: "success", result: { url } };
  if (name.startsWith("failed"))
    return { phase: "failed", rawStatus: "failed", message: "The job only pretends, and has failed." };
  return { phase: "running", rawStatus: "running" };
}
