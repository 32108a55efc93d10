// Fault to catch: a socket through which every user of the machine may ask the store.
import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { DirectLink } from "../owned/direct.fixture.ts";
import { inFolder } from "../owned/folder.fixture.ts";
import { open } from "../sqlite/database.fixture.ts";
import { SocketServer } from "./socket-server.ts";

test("only its own user may connect to a store's socket", () =>
  inFolder(async (folder) => {
    const link = new DirectLink(open(join(folder, "store.db")), Date);
    const path = join(folder, "sock");
    const server = await SocketServer.listen(path, link);
    const { mode } = statSync(path);
    await server.close();
    await link.close();
    assert.equal(mode & 0o777, 0o600);
  }));
