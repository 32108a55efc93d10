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
import { SimulatedDisk } from "./disk.fixture.ts";
import { FileKeeper } from "./file-keeper.ts";
import { openFileStore } from "./open.ts";

// The first door is the keeper in this thread, the second a client on its socket. The thread, the owner's lock and the real disk
// are proved in test/owners.test.ts and file-folder.test.ts. Files are compacted all the time.
storeContract("file", {
  clock: "held",
  timedLeases: false,
  second: true,
  async open() {
    const folder = mkdtempSync(join(tmpdir(), "holdfast-file-"));
    let now = 1_800_000_000_000;
    const disk = new SimulatedDisk();
    const keeper = new FileKeeper({ disk, folder, migrate: true, compactionBytes: 4_096 }, now, () => {});
    const link = new DirectLink(keeper, { now: () => now });
    const server = await SocketServer.listen(claimSocketPlace(join(folder, "store")), link);
    const reopening = new ReopeningLink({
      open: () => Promise.resolve(link),
      patienceMs: 1_000,
      unavailable: () => new Error("the store is open from the start"),
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
        const client = await openFileStore({ folder, role: "client" });
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
