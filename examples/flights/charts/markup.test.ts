import assert from "node:assert/strict";
import { test } from "node:test";
import { dayName, h, hourName, minutes, number, percent, plural, shortDayName, thousands } from "./markup.ts";

test("text and attributes are escaped, markup is not", () => {
  const element = h("a", { title: 'x"<', width: 1.26, id: undefined }, "1 < 2 & 3", h("br"), [h("b", {}, "4")]);
  assert.equal(String(element), '<a title="x&quot;&lt;" width="1.3">1 &lt; 2 &amp; 3<br><b>4</b></a>');
});

test("numbers are written for people", () => {
  assert.deepEqual([0, 999, 1_000, 37_000, 1_234_567].map(thousands), ["0", "999", "1,000", "37,000", "1,234,567"]);
  assert.deepEqual([number(-0.01), number(2.25), minutes(-3.42), minutes(7)], ["0", "2.3", "−3.4 min", "7 min"]);
  assert.equal(percent(0.7725), "77%");
  assert.deepEqual([plural(1, "week"), plural(13, "week")], ["1\u00a0week", "13\u00a0weeks"]);
});

test("hours and days have names", () => {
  assert.deepEqual([0, 1, 11, 12, 13, 23].map(hourName), ["midnight", "1 am", "11 am", "noon", "1 pm", "11 pm"]);
  assert.deepEqual([dayName("2001-02-05"), shortDayName("2001-02-05")], ["5\u00a0February", "5\u00a0Feb"]);
});
