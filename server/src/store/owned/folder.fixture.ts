import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** For tests: calls `body` with a folder that is removed afterwards. */
export async function inFolder(body: (folder: string) => Promise<void> | void): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-store-"));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
