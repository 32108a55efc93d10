import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { after, before, test } from "node:test";
import { HeldClock } from "../clock.ts";
import { loadPackage } from "../install.ts";
import { type OpenFakes, openFakes } from "./clients.ts";

// Faults to catch, seen with google-auth-library: a token that is good for longer than it says, or not at all; a metadata
// server that answers whoever does not ask as it wants; an assertion that is taken though it is expired or of another kind.

interface Client {
  getAccessToken(): Promise<{ token?: string | null }>;
}
interface AuthPackage {
  readonly GoogleAuth: new (options: object) => { getClient(): Promise<Client>; getProjectId(): Promise<string> };
}

const clock = new HeldClock(Date.now());
let fakes: OpenFakes;
let auth: AuthPackage;

before(async () => {
  fakes = await openFakes({ clock });
  auth = await loadPackage<AuthPackage>("vendors", "google-auth-library");
});
after(() => fakes[Symbol.asyncDispose]());

async function statusWith(token: string): Promise<number> {
  const url = `${fakes.clouds.url}/bigquery/v2/projects/p/jobs`;
  return (await fetch(url, { headers: { authorization: `Bearer ${token}` } })).status;
}

test("ambient identity comes from the metadata server, with a token that is good for as long as it says", async () => {
  const google = new auth.GoogleAuth({ scopes: "https://www.googleapis.com/auth/cloud-platform" });
  assert.equal(await google.getProjectId(), "clouds-test");
  const { token } = await (await google.getClient()).getAccessToken();
  assert.ok(token);
  assert.equal(await statusWith(token), 200);
  clock.advance(3_600_000);
  assert.equal(await statusWith(token), 401);
});

test("the metadata server answers only who asks as its header says", async () => {
  const url = `${fakes.clouds.url}/computeMetadata/v1/instance/service-accounts/default/token`;
  assert.equal((await fetch(url)).status, 403);
  const asked = await fetch(url, { headers: { "Metadata-Flavor": "Google" } });
  assert.equal(asked.headers.get("metadata-flavor"), "Google");
  const body = (await asked.json()) as Record<string, unknown>;
  assert.deepEqual([typeof body.access_token, body.expires_in, body.token_type], ["string", 3_600, "Bearer"]);
});

/** An assertion as the library signs it for a key file; where it would be sent is not to be chosen, so it is sent here. */
async function assertion(claims: object): Promise<string> {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const key = privateKey.export({ type: "pkcs8", format: "pem" });
  const { default: jws } = await loadPackage<{ default: { sign(options: object): string } }>("vendors", "jws");
  return jws.sign({ header: { alg: "RS256", typ: "JWT" }, payload: claims, secret: key });
}

async function exchange(form: Record<string, string>): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${fakes.clouds.url}/token`, { method: "POST", body: new URLSearchParams(form) });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

test("the token endpoint takes a short-lived assertion and a refresh token, and nothing else", async () => {
  const nowS = Math.floor(clock.nowMs() / 1000);
  const claims = {
    iss: "a@p.iam",
    aud: "https://oauth2.googleapis.com/token",
    scope: "s",
    iat: nowS,
    exp: nowS + 3_600,
  };
  const grant_type = "urn:ietf:params:oauth:grant-type:jwt-bearer";
  const good = await exchange({ grant_type, assertion: await assertion(claims) });
  assert.equal(good.status, 200);
  assert.equal(await statusWith(String(good.body.access_token)), 200);
  const long = await exchange({ grant_type, assertion: await assertion({ ...claims, exp: nowS + 7_200 }) });
  assert.deepEqual([long.status, long.body.error], [400, "invalid_grant"]);
  const old = await exchange({
    grant_type,
    assertion: await assertion({ ...claims, iat: nowS - 7_200, exp: nowS - 3_600 }),
  });
  assert.match(String(old.body.error_description), /short-lived token/);
  assert.equal((await exchange({ grant_type: "refresh_token", refresh_token: "1//0g" })).status, 200);
  assert.equal((await exchange({ grant_type: "password" })).body.error, "unsupported_grant_type");
});

test("tokens may be made short, and taken away", async () => {
  await fetch(`${fakes.clouds.url}/__clouds/tokens/lifetime`, {
    method: "POST",
    body: JSON.stringify({ lifetimeMs: 60_000 }),
  });
  const { body } = await exchange({ grant_type: "refresh_token", refresh_token: "1//0g" });
  assert.equal(body.expires_in, 60);
  assert.equal(await statusWith(String(body.access_token)), 200);
  await fakes.remote.expireTokens();
  assert.equal(await statusWith(String(body.access_token)), 401);
});
