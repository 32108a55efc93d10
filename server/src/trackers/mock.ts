import type { Observation } from "@holdfast/protocol";

const prefix = "mock://";

/** Ork's examples have jobs that only pretend: `mock://success…` has succeeded, `mock://failed…` has failed, others run. */
export function isMock(url: string): boolean {
  return url.startsWith(prefix);
}

/** Where such jobs are not allowed, there is none: no job of a real service may succeed by pretending. */
export function observeMock(url: string, allowed: boolean): Observation {
  if (!allowed) {
    return {
      phase: "failed",
      rawStatus: "refused",
      code: "mock_refused",
      message: `${url.slice(0, 100)} is a job that only pretends, and those are not allowed here.`,
      hint: "Run it under holdfast dev, or say mockJobs: true in holdfast.config.ts.",
    };
  }
  const name = url.slice(prefix.length);
  if (name.startsWith("success")) return { phase: "succeeded", rawStatus: "success", result: { url } };
  if (name.startsWith("failed"))
    return { phase: "failed", rawStatus: "failed", message: "The job only pretends, and has failed." };
  return { phase: "running", rawStatus: "running" };
}
