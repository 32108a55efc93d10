import { applyProject, openServices } from "../../server/src/main.ts";
import type { Copies } from "./copies.ts";
import { copyInPostgres } from "./postgres.ts";
import { copyInSqlite } from "./sqlite.ts";
import { carryOutUnit, unitRuns } from "./unit.ts";

/** Makes the store at `address`: a unit of runs that were carried out, and as many copies of it as hold `endedRuns`. */
export async function fillStore(
  address: string,
  { root, endedRuns, days, tell }: { root: string; endedRuns: number } & Omit<Copies, "count">,
): Promise<void> {
  const services = await openServices({ address, role: "owner", migrate: true });
  try {
    await applyProject(services, { root, include: ["bench-tasks.ts"] });
    await carryOutUnit(services, root);
  } finally {
    await services.close();
  }
  const copies: Copies = { count: Math.ceil(endedRuns / unitRuns) - 1, days, tell };
  if (copies.count < 1) return;
  if (address.startsWith("sqlite:")) copyInSqlite(address.slice("sqlite:".length), copies);
  else await copyInPostgres(address, copies);
}
