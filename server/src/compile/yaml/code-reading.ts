import type { JsonObject } from "@holdfast/protocol";
import type { YamlEntry } from "./document.ts";
import type { FileProblems } from "./fields.ts";

// What is read of where a task's code is.

export interface CodeFields {
  readonly file?: string | undefined;
  readonly module?: string | undefined;
  readonly function?: string | undefined;
  readonly command?: string | undefined;
  readonly job?: string | undefined;
  readonly url?: string | undefined;
  readonly image?: string | undefined;
  readonly connection?: string | undefined;
  readonly options?: JsonObject | undefined;
}

export interface CodeReading {
  /** Absolute: the project's root, and the workflow file. */
  readonly root: string;
  readonly workflowFile: string;
  /** Names of the configuration's connections; undefined where another's configuration holds. */
  readonly connections: readonly string[] | undefined;
  readonly what: string;
  readonly task: string;
  readonly entries: ReadonlyMap<string, YamlEntry>;
  readonly at: { readonly line: number; readonly column: number };
  readonly problems: FileProblems;
}
