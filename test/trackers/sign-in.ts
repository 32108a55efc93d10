import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** From now on Google's library finds the fakes' metadata server, and nothing of the person who runs the tests. */
export function signInAtFakes(url: string): void {
  delete process.env.GOOGLE_APPLICATION_CREDENTIALS;
  Object.assign(process.env, {
    GCE_METADATA_HOST: new URL(url).host,
    METADATA_SERVER_DETECTION: "assume-present",
    GOOGLE_CLOUD_PROJECT: "shop",
    CLOUDSDK_CONFIG: mkdtempSync(join(tmpdir(), "holdfast-gcloud-")),
    HOME: mkdtempSync(join(tmpdir(), "holdfast-home-")),
  });
}
