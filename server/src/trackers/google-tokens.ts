import type { AuthClient, GoogleAuth } from "google-auth-library";
import { z } from "zod";
import { failureOf, unauthorized } from "./failures.ts";
import { type TokenProvider, withoutToken } from "./token-provider.ts";

const cloudScope = "https://www.googleapis.com/auth/cloud-platform";
const tokenMs = 20_000;

/**
 * `ambient`: what the place offers, as Google's own libraries find it: GOOGLE_APPLICATION_CREDENTIALS, gcloud's own login, the
 * metadata server. `none`: emulators.
 */
export const googleCredentialsSchema = z
  .union([z.enum(["ambient", "none"]), z.strictObject({ keyFile: z.string().min(1) })])
  .default("ambient");
export type GoogleCredentials = z.infer<typeof googleCredentialsSchema>;

/** Access tokens of Google, by its own library, which is loaded with the first of them. */
export function googleTokens(credentials: GoogleCredentials): TokenProvider {
  return credentials === "none" ? withoutToken : new GoogleTokens(credentials);
}

class GoogleTokens implements TokenProvider {
  readonly #credentials: Exclude<GoogleCredentials, "none">;
  #auth: Promise<GoogleAuth> | undefined;
  #client: AuthClient | undefined;

  constructor(credentials: Exclude<GoogleCredentials, "none">) {
    this.#credentials = credentials;
  }

  async token(): Promise<string> {
    const given = Promise.withResolvers<never>();
    const timer = setTimeout(() => given.reject(new Error(`no token came within ${tokenMs / 1_000} s`)), tokenMs);
    try {
      const token = await Promise.race([this.#ask(), given.promise]);
      if (typeof token === "string" && token !== "") return token;
      throw new Error("the answer has no token");
    } catch (error) {
      // A file that is mended and a server that comes back are looked at again.
      this.#auth = undefined;
      this.#client = undefined;
      throw unauthorized(
        "no_credentials",
        `No access token of Google could be had: ${failureOf(error).message}.`,
        "Set GOOGLE_APPLICATION_CREDENTIALS, name a keyFile in the connection, or run where a service account is attached.",
      );
    } finally {
      clearTimeout(timer);
    }
  }

  refused(token: string): void {
    const client = this.#client;
    // Another call may have had a new one meanwhile.
    if (client === undefined || client.credentials.access_token !== token) return;
    client.credentials = { ...client.credentials, access_token: null, expiry_date: 1 };
  }

  async #ask(): Promise<string | null | undefined> {
    this.#auth ??= this.#load();
    const auth = await this.#auth;
    this.#client ??= await auth.getClient();
    return (await this.#client.getAccessToken()).token;
  }

  async #load(): Promise<GoogleAuth> {
    const { GoogleAuth } = await import("google-auth-library");
    const transporterOptions = { timeout: tokenMs, fetchImplementation: fetch };
    const { keyFile } = this.#credentials === "ambient" ? {} : this.#credentials;
    return new GoogleAuth({
      scopes: [cloudScope],
      clientOptions: { transporterOptions },
      ...(keyFile !== undefined && { keyFilename: keyFile }),
    }) as unknown as GoogleAuth;
  }
}
