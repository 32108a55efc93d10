import { z } from "zod";

/** A file whose contents a process has taken in, by its absolute path, as it was just before. */
export const codeFileSchema = z.strictObject({ path: z.string().max(4_096), stamp: z.string().max(100) });
export type CodeFile = z.infer<typeof codeFileSchema>;

/** What tells a file from the same file changed or replaced; "" when there is none. */
export function fileStamp(
  stat: { readonly ino: number; readonly size: number; readonly mtimeMs: number } | undefined,
): string {
  return stat === undefined ? "" : `${stat.ino}:${stat.size}:${stat.mtimeMs}`;
}
