import type { Handlers } from "./handlers.ts";

/** What an activation tells people. */
export const logging: Handlers<"log.write" | "progress.report"> = {
  "log.write": async ({ log }, { lines }) => {
    await log.write(
      lines.map(({ fields, ...line }) => ({ stream: "log", ...line, ...(fields === undefined ? {} : { fields }) })),
    );
    return {};
  },
  "progress.report": async ({ log }, { done, total, text }) => {
    const share = total === undefined ? String(done) : `${done}/${total}`;
    const fields = { done, ...(total === undefined ? {} : { total }) };
    await log.write([
      { stream: "progress", level: "info", text: text === undefined ? share : `${share} ${text}`, fields },
    ]);
    return {};
  },
};
