// Faults to catch: a token that was refused is used on; credentials that were mended are not looked at again; a metadata server that
// hangs or is away ends a job. Google's library is the real one; its token endpoint is a local server.
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { TrackingError } from "@holdfast/protocol";
import { googleTokens } from "./google-tokens.ts";
import { LocalService } from "./service.fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "holdfast-google-"));
let issued = 0;
const local = await LocalService.start(() => ({
  headers: { "metadata-flavor": "Google" },
  body: { access_token: `token-${++issued}`, expires_in: 3_600, token_type: "Bearer" },
}));
after(async () => {
  rmSync(folder, { recursive: true });
  await local.close();
});

test("a service account's key is exchanged for tokens, which are kept until one is refused", async () => {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
  const keyFile = join(folder, "key.json");
  writeFileSync(
    keyFile,
    JSON.stringify({
      ...{ type: "service_account", client_email: "etl@shop.iam.gserviceaccount.com", private_key_id: "1" },
      private_key: privateKey.export({ type: "pkcs8", format: "pem" }),
      token_uri: `${local.url}/token`,
    }),
  );
  const tokens = googleTokens({ keyFile });
  // The library asks Google's own address for the tokens of a key: that call goes to the local server instead.
  const realFetch = globalThis.fetch;
  globalThis.fetch = (input, init) =>
    realFetch(String(input).replace("https://oauth2.googleapis.com", local.url), init);
  after(() => {
    globalThis.fetch = realFetch;
  });
  const first = await tokens.token();
  assert.match(first ?? "", /^token-\d+$/);
  assert.equal(await tokens.token(), first);
  assert.equal(local.calls.length, 1);
  assert.match(
    String(local.calls[0]?.body),
    /grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=ey/,
  );
  tokens.refused("somebody else's");
  assert.equal(await tokens.token(), first);
  tokens.refused(first ?? "");
  assert.notEqual(await tokens.token(), first);
});

test("a login of gcloud's is refreshed", async () => {
  const keyFile = join(folder, "user.json");
  writeFileSync(
    keyFile,
    JSON.stringify({ type: "authorized_user", client_id: "c", client_secret: "s", refresh_token: "r" }),
  );
  const realFetch = globalThis.fetch;
  globalThis.fetch = (input, init) =>
    realFetch(String(input).replace("https://oauth2.googleapis.com", local.url), init);
  try {
    assert.match((await googleTokens({ keyFile }).token()) ?? "", /^token-\d+$/);
    assert.match(String(local.calls.at(-1)?.body), /refresh_token=r/);
  } finally {
    globalThis.fetch = realFetch;
  }
});

test("the metadata server gives the tokens of a machine's own account", async () => {
  const saved = { ...process.env };
  Object.assign(process.env, {
    GCE_METADATA_HOST: `127.0.0.1:${local.port}`,
    METADATA_SERVER_DETECTION: "assume-present",
    HOME: folder,
  });
  delete process.env.GOOGLE_APPLICATION_CREDENTIALS;
  try {
    local.calls.length = 0;
    assert.match((await googleTokens("ambient").token()) ?? "", /^token-\d+$/);
    const { path, headers } = local.calls.at(-1) ?? {};
    assert.equal(path, "/computeMetadata/v1/instance/service-accounts/default/token");
    assert.equal(headers?.["metadata-flavor"], "Google");
  } finally {
    process.env = saved;
  }
});

test("a key file that is missing is said, and used once it is there", async () => {
  const keyFile = join(folder, "late.json");
  const tokens = googleTokens({ keyFile });
  const failed = await tokens.token().catch((error: unknown) => error);
  assert.ok(failed instanceof TrackingError);
  assert.deepEqual([failed.failure.fault, failed.failure.code], ["auth", "no_credentials"]);
  writeFileSync(
    keyFile,
    JSON.stringify({ type: "authorized_user", client_id: "c", client_secret: "s", refresh_token: "r" }),
  );
  const realFetch = globalThis.fetch;
  globalThis.fetch = (input, init) =>
    realFetch(String(input).replace("https://oauth2.googleapis.com", local.url), init);
  try {
    assert.match((await tokens.token()) ?? "", /^token-\d+$/);
  } finally {
    globalThis.fetch = realFetch;
  }
});

test("an emulator is asked without a token", async () => {
  assert.equal(await googleTokens("none").token(), null);
});
