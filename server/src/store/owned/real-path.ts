import { lstatSync, readlinkSync, realpathSync, type Stats } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { AppError } from "@holdfast/protocol";

const mostLinks = 40;

/**
 * The place that a path of a file leads to, links resolved, whether or not something is there yet: its owner's lock lies beside
 * that place, so that all ways to it find the same. Throws `invalid_request` for a file with a second name, which no
 * lock could keep apart, and for links in a circle.
 */
export function realPlace(path: string): string {
  let place = resolve(path);
  for (let links = 0; links < mostLinks; links++) {
    const found = lookAt(place);
    if (found === undefined) return join(realFolder(dirname(place)), basename(place));
    if (!found.isSymbolicLink()) {
      if (found.isFile() && found.nlink > 1) throw twoNames(place);
      return realpathSync(place);
    }
    place = resolve(dirname(place), readlinkSync(place));
  }
  throw new AppError("invalid_request", `${path} is a link that leads to itself.`, { hint: "Name the file itself." });
}

/** Of a folder, as far as it is there. */
function realFolder(folder: string): string {
  if (dirname(folder) === folder) return folder;
  if (lookAt(folder) !== undefined) return realpathSync(folder);
  return join(realFolder(dirname(folder)), basename(folder));
}

/** Undefined where nothing is, also below what is no folder: whoever opens it says so. */
function lookAt(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOTDIR") return undefined;
    throw error;
  }
}

function twoNames(path: string): AppError {
  return new AppError("invalid_request", `The store ${path} has a second name (a hard link).`, {
    hint: "Two processes that use both names would not know of each other. Remove one, or copy the file.",
  });
}
