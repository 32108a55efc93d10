import { AppError } from "@holdfast/protocol";

// What SQLite's result codes mean to a caller (https://www.sqlite.org/rescode.html). Decided by number, never by text.

const busy = 5;
const locked = 6;
const readonly = 8;
const inputOutput = 10;
const corrupt = 11;
const full = 13;
const cantOpen = 14;
const notADatabase = 26;

/** The AppError for a failure of SQLite on the file `path`; anything else is handed back as it is. */
export function sqliteFailure(cause: unknown, path: string): unknown {
  if (!(cause instanceof Error) || !("errcode" in cause) || typeof cause.errcode !== "number") return cause;
  // The low byte is the primary code; what is above it is detail.
  switch (cause.errcode & 0xff) {
    case full:
      return new AppError("store_full", `The disk that holds ${path} is full.`, {
        hint: "Free some space; nothing of the refused call was kept, and it can be repeated.",
        cause,
      });
    case busy:
    case locked:
      return new AppError("store_unavailable", `Another program is holding ${path} locked.`, {
        hint: "Close the tool that has the file open.",
        cause,
      });
    case readonly:
    case cantOpen:
      return new AppError("store_unavailable", `The store ${path} cannot be opened for writing (${cause.message}).`, {
        hint: "Check that its folder exists and that this user may write in it.",
        cause,
      });
    case inputOutput:
      return new AppError("store_unavailable", `The disk failed under ${path} (${cause.message}).`, { cause });
    case corrupt:
      return new AppError("internal", `The store ${path} is damaged (${cause.message}).`, {
        hint: "Stop Holdfast and restore the file from a backup.",
        cause,
      });
    case notADatabase:
      return new AppError("invalid_request", `${path} is not a SQLite database.`, {
        hint: "Name another file, or move this one away.",
        cause,
      });
    default:
      return cause;
  }
}

/** True for SQLite's own word that somebody else holds a lock. */
export function isBusy(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && error.errcode === busy;
}
