import { openPostgresStore } from "../../server/src/store/postgres/postgres-store.ts";
import type { TestPostgres } from "../postgres.ts";
import type { CampaignOptions } from "./campaign-options.ts";

/** The test's own statements may wait as long as a database is stopped or held. */
const answerMs = 180_000;

/** A campaign's store in a new database on this server. */
export function onPostgres(
  server: TestPostgres,
  prepare: (url: string) => Promise<void> = async () => undefined,
): Pick<CampaignOptions, "address" | "openStore"> {
  return {
    address: async () => {
      const url = await server.createDatabase();
      await (await openPostgresStore({ url, migrate: true })).close();
      await prepare(url);
      return url;
    },
    openStore: (url) => openPostgresStore({ url, applicationName: "reader", answerMs }),
  };
}
