import { limits } from "@holdfast/protocol";

/**
 * The first rows of a query `t` whose values fit one page, as `fittingRows` counts them, in the order of `t.${order}`. `bytes`: of a
 * row; lengths are known without the values, so that what does not fit is not read.
 */
export function fittingText(
  rows: string,
  { order, bytes }: { readonly order: string; readonly bytes: string },
): string {
  return `select * from (
    select t.*, sum(${bytes}) over (order by t.${order} rows between unbounded preceding and 1 preceding) as bytes_before
    from (${rows}) t) t
  where coalesce(t.bytes_before, 0) < ${limits.pageBytes} order by t.${order}`;
}
