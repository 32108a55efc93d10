import { cut, type Terminal, visibleLength } from "./terminal.ts";

export interface Column<Row> {
  readonly title: string;
  readonly text: (row: Row) => string;
  /** What colours a cell that has been cut and padded. */
  readonly paint?: (text: string, row: Row) => string;
  /** May be cut to make the table fit; the others keep their width. */
  readonly shrinks?: boolean;
  readonly right?: boolean;
}

const gap = "  ";
const narrowestCell = 8;

/** An aligned table, no wider than the terminal. Columns that are empty all through are left out. */
export function tableText<Row>(terminal: Terminal, columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const filled = columns
    .map((column) => ({ ...column, cells: rows.map((row) => column.text(row)) }))
    .filter(({ cells }) => cells.some((cell) => cell !== ""));
  const wanted = filled.map(({ title, cells }) => Math.max(title.length, ...cells.map(visibleLength)));
  const widths = shrink(
    wanted,
    filled.map((column) => column.shrinks === true),
    terminal.columns - gap.length * Math.max(0, filled.length - 1),
  );
  const fit = (text: string, index: number): string => {
    const width = widths[index] ?? 0;
    const short = cut(text, width);
    const padding = " ".repeat(Math.max(0, width - visibleLength(short)));
    return filled[index]?.right === true ? padding + short : short + padding;
  };
  const head = filled.map(({ title }, index) => terminal.colors.dim(fit(title, index)));
  const body = rows.map((row, at) =>
    filled.map(({ cells, paint }, index) => {
      const cell = fit(cells[at] ?? "", index);
      return paint === undefined ? cell : paint(cell, row);
    }),
  );
  return [head, ...body].map((cells) => cells.join(gap).trimEnd()).join("\n");
}

/** Takes from the widest column that may shrink until all fit. */
function shrink(widths: readonly number[], shrinks: readonly boolean[], room: number): number[] {
  const fitted = [...widths];
  let excess = fitted.reduce((sum, width) => sum + width, 0) - room;
  while (excess > 0) {
    let widest = -1;
    for (const [index, width] of fitted.entries()) {
      if (shrinks[index] === true && width > narrowestCell && width > (fitted[widest] ?? 0)) widest = index;
    }
    if (widest === -1) break;
    fitted[widest] = (fitted[widest] ?? 0) - 1;
    excess -= 1;
  }
  return fitted;
}
