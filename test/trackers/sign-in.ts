import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const folder = mkdtempSync(join(tmpdir(), "holdfast-sign-in-"));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));

/** From now on Google's library finds the fakes' metadata server, and nothing of the person who runs the tests. */
export function signInAtFakes(url: string): void {
  delete process.env.GOOGLE_APPLICATION_CREDENTIALS;
  Object.assign(process.env, {
    GCE_METADATA_HOST: new URL(url).host,
    METADATA_SERVER_DETECTION: "assume-present",
    GOOGLE_CLOUD_PROJECT: "shop",
    CLOUDSDK_CONFIG: folder,
    HOME: folder,
  });
}
