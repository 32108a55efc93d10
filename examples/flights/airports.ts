/** The list of airports: where they are and what they are called. */

/** In degrees, north and east positive. */
export interface Position {
  readonly latitude: number;
  readonly longitude: number;
}

export interface Airport {
  readonly code: string;
  readonly name: string;
  readonly city: string;
  readonly state: string;
  readonly position: Position;
}

const columns = ["iata", "name", "city", "state", "country", "latitude", "longitude"];

/** Reads `airports.csv`. Throws when its columns are not the expected ones; lines without a position are left out. */
export function readAirports(csv: string): ReadonlyMap<string, Airport> {
  const [header = "", ...lines] = csv.split(/\r?\n/);
  if (header !== columns.join(","))
    throw new Error(`airports.csv: expected the columns ${columns.join(",")}, found ${header}`);
  const airports = new Map<string, Airport>();
  for (const line of lines) {
    const [code = "", name = "", city = "", state = "", , latitude = "", longitude = ""] = cellsOf(line);
    if (latitude === "" || longitude === "") continue;
    const position = { latitude: Number(latitude), longitude: Number(longitude) };
    airports.set(code, { code, name, city, state, position });
  }
  return airports;
}

/** The cells of one CSV line; quotes hold commas, doubled quotes hold a quote. */
function cellsOf(line: string): readonly string[] {
  return [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, plain]) =>
    quoted === undefined ? (plain ?? "") : quoted.replaceAll('""', '"'),
  );
}
