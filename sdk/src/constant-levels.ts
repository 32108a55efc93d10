import type { StepDefect } from "./shape.ts";

/** Lists and objects within each other, in a value that stands in a definition. */
const constantLevels = 100;
const shownCharacters = 60;

/**
 * Why a value that stands within `above`, the outermost first, cannot be kept in a definition: it has too many levels, or none is the
 * last. `text` names its place.
 */
export function levelsDefect(value: unknown, text: string, above: readonly unknown[]): StepDefect | undefined {
  const place = text.length > shownCharacters ? `${text.slice(0, shownCharacters)}…` : text;
  if (typeof value === "object" && value !== null && above.includes(value)) {
    return { message: `${place} contains itself`, hint: "Write a value that ends: JSON has no circles." };
  }
  if (above.length <= constantLevels) return undefined;
  const hint = "Keep data of so many levels in a file, or as text, and read it in a task.";
  return { message: `${place} is nested more than ${constantLevels} deep`, hint };
}
