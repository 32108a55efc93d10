import { type FSWatcher, readdirSync, watch } from "node:fs";
import { join, relative, sep } from "node:path";

const debounceMs = 120;
const limitFolders = 5_000;
const watchedFiles = /\.(?:ts|tsx|mts|js|mjs|jsx|json|ya?ml|py)$/;

/**
 * Watches a project's sources: every folder but hidden ones and node_modules. `changed` is called once for a burst of
 * changes, with the paths relative to the root.
 */
export class SourceWatcher {
  readonly #root: string;
  readonly #changed: (files: readonly string[]) => void;
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #pending = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(root: string, changed: (files: readonly string[]) => void) {
    this.#root = root;
    this.#changed = changed;
    this.#watchFolder(root);
  }

  /** True when the project has more folders than are watched. */
  get isPartial(): boolean {
    return this.#watchers.size >= limitFolders;
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #watchFolder(folder: string): void {
    if (this.#watchers.has(folder) || this.isPartial) return;
    try {
      const watcher = watch(folder, (_event, name) => this.#hear(folder, name));
      watcher.on("error", () => this.#forget(folder));
      this.#watchers.set(folder, watcher);
      for (const entry of readdirSync(folder, { withFileTypes: true })) {
        if (entry.isDirectory() && !isIgnored(entry.name)) this.#watchFolder(join(folder, entry.name));
      }
    } catch {
      // It has gone since it was listed.
      this.#forget(folder);
    }
  }

  #forget(folder: string): void {
    this.#watchers.get(folder)?.close();
    this.#watchers.delete(folder);
  }

  #hear(folder: string, name: string | null): void {
    if (name === null || isIgnored(name)) return;
    const path = join(folder, name);
    if (watchedFiles.test(name)) this.#pending.add(relative(this.#root, path).split(sep).join("/"));
    else if (!this.#becameFolder(path)) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const files = [...this.#pending];
      this.#pending.clear();
      this.#changed(files);
    }, debounceMs);
  }

  /** A new folder may have come with files in it. */
  #becameFolder(path: string): boolean {
    const before = this.#watchers.size;
    try {
      readdirSync(path);
    } catch {
      this.#forget(path);
      return false;
    }
    this.#watchFolder(path);
    return this.#watchers.size > before;
  }
}

function isIgnored(name: string): boolean {
  return name.startsWith(".") || name === "node_modules";
}
