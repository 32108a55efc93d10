import { z } from "zod";
import { limits } from "./limits.ts";

/**
 * A key of a run, a step or a wait: 1 to 512 characters. They are counted in UTF-16 units as JavaScript does, here and in every
 * store; JSON Schema's `maxLength` counts code points and would let twice as many by.
 */
export const keySchema = z
  .string()
  .min(1)
  .max(limits.keyCharacters)
  .refine((key) => key.length <= limits.keyCharacters, {
    message: `Too big: expected string to have <=${limits.keyCharacters} characters (UTF-16 units)`,
  });
