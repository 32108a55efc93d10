import { test } from "node:test";
import { z } from "zod";
import { task } from "./task.ts";

test("onCancel sees the input as the body does, and its state, and nothing that waits", () => {
  task(
    {
      id: "a",
      input: z.object({ name: z.string() }),
      state: z.object({ seen: z.number() }),
      onCancel: async (input, ctx) => {
        input.name satisfies string;
        (await ctx.state.get("seen")) satisfies number | undefined;
        ctx.reason.code satisfies "cancelled" | "expired";
        // @ts-expect-error A clean-up waits for nothing.
        ctx.sleep;
        // @ts-expect-error There is no such field.
        input.other;
      },
    },
    ({ name }, ctx) => {
      ctx.sleep satisfies unknown;
      return name;
    },
  );
  task({ id: "b", onCancel: ({ name }: { name: string }) => name }, ({ name }: { name: string }) => name);
  task(
    { id: "c", onCancel: { run: (input, ctx) => [input, ctx.try], timeout: "5m", attempts: 2 } },
    (input: number) => input,
  );
  // @ts-expect-error Its input is another one.
  task({ id: "d", onCancel: (input: number) => input }, (input: string) => input);
});
