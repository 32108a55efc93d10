import assert from "node:assert/strict";
import { test } from "node:test";
import picocolors from "picocolors";
import { tableText } from "./table.ts";
import { openTerminal, type Terminal, visibleLength } from "./terminal.ts";

const terminal: Terminal = { ...openTerminal({ json: false }), columns: 40, colors: picocolors.createColors(true) };

test("a table fits the terminal: what may shrink is cut, and empty columns are left out", () => {
  const rows = [
    { id: "1ngegnhvgarmz2e7p1gf", name: "a name that is much too long for this terminal", key: "" },
    { id: "1ngegmtwchhq45gqtwty", name: "short", key: "" },
  ];
  const text = tableText(
    terminal,
    [
      { title: "ID", text: ({ id }) => id },
      { title: "NAME", text: ({ name }) => name, shrinks: true, paint: (cell) => terminal.colors.red(cell) },
      { title: "KEY", text: ({ key }) => key },
    ],
    rows,
  );
  const lines = text.split("\n");
  assert.equal(lines.length, 3);
  assert.ok(
    lines.every((line) => visibleLength(line) <= 40),
    text,
  );
  assert.ok(!text.includes("KEY"));
  assert.match(text, /1ngegnhvgarmz2e7p1gf {2}.*a name that is mu…/);
});
