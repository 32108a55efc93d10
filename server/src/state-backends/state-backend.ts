// Where the bytes of large values of state lie (docs/decisions/0034). A backend is told bytes and names and nothing else: keys, versions,
// fences and conflicts are the store's. `stateBackendSuite` says what it has to hold to; `holdfast/state-backend` is what users import.

/**
 * Keeps bytes under names. A name is `folder/leaf`: two parts of lower-case letters, digits, `-` and `.`, at most 200 characters in all.
 * Under one name never lie other bytes than at first: a put that is said again says the same, whoever says it and however late.
 *
 * What fails for any other reason than what a method says it answers, rejects: that is an outage, and is tried again. Nothing may be
 * answered in its place; an `AppError` of this package goes on as it is.
 */
export interface StateBackend {
  /** Where it is, as people are told, without secrets: `file:/var/lib/objects`. */
  readonly place: string;
  /** Once this resolves the bytes outlive the backend's processes and a loss of power. Before, there are none of them or all. */
  put(name: string, bytes: Uint8Array): Promise<void>;
  /** The bytes, or undefined when it is certain that nothing lies there. */
  get(name: string): Promise<Uint8Array | undefined>;
  /** Afterwards nothing lies there. What was not there is no failure. */
  delete(names: readonly string[]): Promise<void>;
  /**
   * Some names of a folder, and where to go on; no `cursor`: that was all. What is there from the first call to the last is named at
   * least once; what comes or goes meanwhile may be.
   */
  list(folder: string, cursor?: string): Promise<StateBackendPage>;
  /** What is wrong with how it is set up: then values may be lost that were acknowledged. Not there: nothing can be. */
  check?(): Promise<readonly BackendDefect[]>;
  close(): Promise<void>;
}

export interface StateBackendPage {
  readonly names: readonly string[];
  readonly cursor?: string;
}

export interface BackendDefect {
  /** One sentence, and what to do about it. */
  readonly message: string;
  readonly hint: string;
  /** False: it may be so, and cannot be seen. */
  readonly certain: boolean;
}

const namePattern = /^[a-z0-9-][a-z0-9.-]*\/[a-z0-9-][a-z0-9.-]*$/;

/** Throws for what is no name of an object: nothing outside of the backend is ever reached by one. */
export function checkObjectName(name: string): void {
  if (name.length > 200 || !namePattern.test(name)) throw new Error(`${JSON.stringify(name)} is no name of an object`);
}
