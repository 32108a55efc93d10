/** Where a connection's access tokens come from. Rejects with a TrackingError of fault `auth`. */
export interface TokenProvider {
  /** The token to send; null where the service is to be asked without one. */
  token(): Promise<string | null>;
  /** This token was refused: the next one has to be a new one. */
  refused(token: string): void;
}

/** No token at all: emulators, and services that want none. */
export const withoutToken: TokenProvider = {
  token: () => Promise.resolve(null),
  refused: () => undefined,
};
