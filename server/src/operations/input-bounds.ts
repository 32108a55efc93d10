import { AppError, checkNesting, type Json, limits, utf8Bytes } from "@holdfast/protocol";

/** Whether somebody may give a run this input, as far as its size and its shape are concerned. Throws `too_large`. */
export function checkInput(input: Json, definition: string): void {
  checkNesting(input, limits.nestingLevels, `The input of "${definition}"`);
  const bytes = utf8Bytes(JSON.stringify(input));
  if (bytes <= limits.inputBytes) return;
  const message = `The input of "${definition}" has ${bytes} bytes; ${limits.inputBytes} are allowed.`;
  throw new AppError("too_large", message, { hint: "Keep large data in a file or an object store and pass its name." });
}
