import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DirectLink } from "../owned/direct.fixture.ts";
import { claimSocketPlace } from "../owned/socket-place.ts";
import { remoteStore } from "../remote/remote-store.ts";
import { ReopeningLink } from "../remote/reopening.ts";
import { SocketServer } from "../remote/socket-server.ts";
import { storeContract } from "../store.contract.ts";
import type { Store } from "../store.ts";
import { Database } from "./database.ts";
import { openSqliteStore } from "./open.ts";

// The first door is the database in this thread, the second a client on its socket. The thread and the owner's lock are
// proved in test/owners.test.ts.
storeContract("sqlite", {
  clock: "held",
  timedLeases: false,
  second: true,
  async open() {
    const folder = mkdtempSync(join(tmpdir(), "holdfast-sqlite-"));
    const path = join(folder, "store.db");
    let now = 1_800_000_000_000;
    const link = new DirectLink(new Database({ path, migrate: true }, now), { now: () => now });
    const server = await SocketServer.listen(claimSocketPlace(path), link);
    const reopening = new ReopeningLink({
      open: () => Promise.resolve(link),
      patienceMs: 1_000,
      unavailable: () => new Error("the database is open from the start"),
    });
    await reopening.start();
    const store = remoteStore(reopening);
    const clients: Store[] = [];
    return {
      store,
      advance: (ms: number) => {
        now += ms;
      },
      second: async () => {
        const client = await openSqliteStore({ path, role: "client" });
        clients.push(client);
        return client;
      },
      close: async () => {
        for (const client of clients) await client.close();
        await server.close();
        await store.close();
        rmSync(folder, { recursive: true });
      },
    };
  },
});
