import { AppError, limits, tooDeep } from "@holdfast/protocol";

const decoder = new TextDecoder("utf-8", { fatal: true });

/** The JSON value of a body. Throws `invalid_request` for what is not JSON in UTF-8, `too_large` for what is nested too deeply. */
export function parseBody(bytes: Buffer): unknown {
  const text = decodeText(bytes);
  if (text.trim() === "") return undefined;
  checkNesting(text);
  try {
    return JSON.parse(text);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new AppError("invalid_request", `The body is not JSON: ${message.slice(0, 200)}.`, { cause: error });
  }
}

function decodeText(bytes: Buffer): string {
  try {
    return decoder.decode(bytes);
  } catch (error) {
    throw new AppError("invalid_request", "The body is not text in UTF-8.", { cause: error });
  }
}

/** Before parsing, since what walks the value later does so by recursion. */
function checkNesting(text: string): void {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (inString) {
      if (unit === backslash) i++;
      else if (unit === quote) inString = false;
    } else if (unit === quote) inString = true;
    else if (unit === openList || unit === openObject) {
      depth++;
      if (depth > limits.boundNestingLevels) throw tooDeep("The body", limits.boundNestingLevels);
    } else if (unit === closeList || unit === closeObject) depth--;
  }
}

const quote = 0x22;
const backslash = 0x5c;
const openList = 0x5b;
const closeList = 0x5d;
const openObject = 0x7b;
const closeObject = 0x7d;
