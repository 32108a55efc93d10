import assert from "node:assert/strict";
import { test } from "node:test";
import { readAirports } from "./airports.ts";

const header = "iata,name,city,state,country,latitude,longitude";

test("quoted cells keep their commas and quotes", () => {
  const airports = readAirports(`${header}\nBTR,"Baton Rouge Metropolitan, ""Ryan""",Baton Rouge,LA,USA,30.5,-91.1\n`);
  assert.deepEqual(airports.get("BTR"), {
    code: "BTR",
    name: 'Baton Rouge Metropolitan, "Ryan"',
    city: "Baton Rouge",
    state: "LA",
    position: { latitude: 30.5, longitude: -91.1 },
  });
});

test("empty cells keep their place, and lines without a position are left out", () => {
  const airports = readAirports(`${header}\r\nAAA,,,,USA,1,2\r\nBBB,Name,City,ST,USA,,\r\n`);
  assert.deepEqual(
    [...airports.values()],
    [{ code: "AAA", name: "", city: "", state: "", position: { latitude: 1, longitude: 2 } }],
  );
});

test("another file than the expected one is refused by its columns", () => {
  assert.throws(() => readAirports("origin,destination,count\n"), /airports\.csv: expected the columns iata,name/);
});
