import type { Chance } from "../../server/src/store/contract/chance.contract.ts";
import type { Weather } from "./link.ts";

/** Hardly anything goes wrong. */
export const calm: Weather = { lost: 0, unanswered: 0, doubled: 0, longestDelayMs: 5, deaf: 0 };

export function randomWeather(chance: Chance): Weather {
  const deaf = chance.happens(0.2) ? 1 : chance.fraction() * 0.3;
  if (chance.happens(0.4)) return { ...calm, longestDelayMs: chance.between(1, 50), deaf };
  const bad = chance.fraction() * 0.15;
  return { lost: bad, unanswered: bad, doubled: bad, longestDelayMs: chance.between(1, 200), deaf };
}
