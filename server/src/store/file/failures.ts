import { AppError } from "@holdfast/protocol";

// What goes wrong with the files, told to callers. Decided by the system's code, never by text.

const full: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/** The AppError for a failure of the disk under `folder`; anything else is handed back as it is. */
export function diskFailure(cause: unknown, folder: string): unknown {
  if (!(cause instanceof Error) || !("code" in cause) || !("syscall" in cause)) return cause;
  if (full.has(String(cause.code))) {
    return new AppError("store_full", `The disk that holds ${folder} is full.`, {
      hint: "Free some space; nothing of the refused call was kept, and it can be repeated.",
      cause,
    });
  }
  return new AppError("store_unavailable", `The disk failed under ${folder} (${cause.message}).`, {
    hint: "Check that the folder is there, that this user may write in it, and what the system's log says of the disk.",
    cause,
  });
}

export interface DamagedPlace {
  readonly folder: string;
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** Where that line begins, in bytes. */
  readonly offset: number;
  /** What is wrong there. */
  readonly what: string;
  /** How many whole lines come after it in this file. */
  readonly linesAfter: number;
  /** Files that hold what came later. */
  readonly filesAfter: readonly string[];
}

/** A file that is not what was written to it. */
export function damaged(place: DamagedPlace): AppError {
  const { folder, file, line, offset, what, linesAfter, filesAfter } = place;
  const later = filesAfter.length === 0 ? "" : ` and remove ${filesAfter.join(", ")}`;
  const lost = linesAfter === 0 ? "" : ` (${linesAfter} whole lines of it, and what stands in later files)`;
  const cut = file.startsWith("snapshot")
    ? ""
    : ` To go on with what was kept before that place and lose what came after${lost}, copy the folder away, then` +
      ` run \`truncate -s ${offset} ${file}\`${later} in it.`;
  return new AppError("internal", `The store ${folder} is damaged: ${file}, line ${line} (byte ${offset}): ${what}.`, {
    hint: `Nothing was changed. Restore the folder from a backup.${cut}`,
    details: { file, line, offset },
  });
}

/** A file that has to be there and is not. */
export function missing(folder: string, file: string): AppError {
  return new AppError("internal", `The store ${folder} is damaged: its file ${file} is missing.`, {
    hint: "Nothing was changed. Put the file back, or restore the folder from a backup.",
    details: { file },
  });
}
