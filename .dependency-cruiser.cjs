"use strict";
// Import directions (DESIGN §9 in one table), no cycles, and every import resolves. Run by `npm run check`.

const TEST_FILE = "\\.(test|contract|fixture)\\.ts$|/test/|/fixtures/|^test/";
const LOCAL = "^(protocol|sdk|server|scripts|test|examples|bench)/";

const PROTOCOL = "^protocol/src/";
const SDK = "^sdk/src/";

/** A folder of server/src, or the file of that name; `a/b` is a part of a folder. */
const part = (name) => `^server/src/${name}(\\.ts$|/)`;

/** May be imported from anywhere in the server except core, and import only each other and the protocol. */
const leaf =
  "(clock|random|log|config|canonical|descriptors|expressions|folders|ticks|guard|child-environment|connection-services|connection-settings|state-retention-settings|state-settings|project-place|python-interpreter|version)";
const leaves = [part(leaf)];

const everything = [
  "api",
  "channel",
  "compile",
  "core",
  "engine",
  "operations",
  "placements",
  "state-backends",
  "store",
  "telemetry",
  "trackers",
].map(part);

/** Who may import what. A part may always import itself. */
const directions = [
  { name: "protocol", from: PROTOCOL, to: [] },
  { name: "sdk", from: SDK, to: [PROTOCOL] },
  { name: "leaves", from: part(leaf), to: [PROTOCOL] },
  { name: "core", from: part("core"), to: [PROTOCOL] },
  { name: "store", from: part("store"), to: [part("core"), PROTOCOL, ...leaves] },
  {
    name: "trackers",
    from: part("trackers(?!/load-modules)"),
    to: [part("trackers"), part("core"), PROTOCOL, ...leaves],
  },
  { name: "trackers-of-users", from: part("trackers/load-modules"), to: [part("trackers"), SDK, PROTOCOL, ...leaves] },
  { name: "placements", from: part("placements(?!/inline)"), to: [part("core"), PROTOCOL, ...leaves] },
  {
    name: "placements-inline",
    from: part("placements/inline"),
    to: [part("placements"), part("core"), SDK, PROTOCOL, ...leaves],
  },
  { name: "telemetry", from: part("telemetry"), to: [part("store"), part("core"), PROTOCOL, ...leaves] },
  {
    name: "operations",
    from: part("operations"),
    to: [...["telemetry", "store", "state-backends/state-backend", "core"].map(part), PROTOCOL, ...leaves],
  },
  { name: "state-backends", from: part("state-backends"), to: [PROTOCOL, ...leaves] },
  {
    name: "engine",
    from: part("engine"),
    to: [...["operations", "telemetry", "store", "placements", "core"].map(part), PROTOCOL, ...leaves],
  },
  { name: "compile", from: part("compile"), to: [part("core"), SDK, PROTOCOL, ...leaves] },
  { name: "channel", from: part("channel"), to: [...["operations", "compile"].map(part), PROTOCOL, ...leaves] },
  { name: "api", from: part("api"), to: [...["operations", "compile", "telemetry"].map(part), PROTOCOL, ...leaves] },
  { name: "main", from: part("main"), to: [...everything, SDK, PROTOCOL, ...leaves] },
  { name: "embedded", from: part("embedded"), to: [part("main"), SDK, PROTOCOL, ...leaves] },
  {
    name: "cli",
    from: part("cli"),
    to: [...["embedded", "main", "compile"].map(part), SDK, PROTOCOL, ...leaves],
  },
  { name: "server-entry", from: "^server/src/(index|external)\\.ts$", to: [SDK] },
  { name: "testing", from: part("testing"), to: ["^(protocol|sdk|server)/src/"] },
  { name: "examples", from: "^examples/", to: [SDK, "^server/src/(index|external|config|testing/index)\\.ts$"] },
];

const directionRules = directions.map(({ name, from, to }) => ({
  name: `direction-${name}`,
  comment: "This import runs against the directions of the code; see ARCHITECTURE.md.",
  severity: "error",
  from: { path: from, pathNot: TEST_FILE },
  to: { path: LOCAL, pathNot: [from, ...to, TEST_FILE] },
}));

/** Packages that have one home. */
const homes = [
  { package: "@marcbachmann/cel-js", home: [part("expressions")] },
  { package: "@redis/client", home: [part("state-backends/redis-backend")] },
  { package: "croner", home: [part("ticks")] },
  { package: "postgres", home: [part("store/postgres"), part("store/open")] },
  { package: "fastify", home: [part("api")] },
  { package: "pino", home: [part("log")] },
  { package: "@opentelemetry/.*", home: [part("telemetry/otlp")] },
  { package: "commander", home: [part("cli")] },
  { package: "picocolors", home: [part("cli")] },
  { package: "oxc-transform", home: [SDK] },
  { package: "undici", home: [part("trackers/(dialer|outbound)")] },
  { package: "ipaddr.js", home: [part("trackers/addresses")] },
  { package: "google-auth-library", home: [part("trackers/google-tokens")] },
].map(({ package: name, home }) => ({
  name: `home-of-${name.split("/").pop()}`,
  comment: `${name} is used in one place only, so that it can be replaced there.`,
  severity: "error",
  from: { path: "^(protocol|sdk|server)/src/", pathNot: [...home, TEST_FILE] },
  to: { path: `^node_modules/${name}/` },
}));

module.exports = {
  forbidden: [
    ...directionRules,
    ...homes,
    {
      name: "every-import-resolves",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: "no-cycles",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    {
      name: "known-part-of-the-server",
      comment: "A new folder or file of server/src needs a line in the table of directions.",
      severity: "error",
      from: {
        path: "^server/src/",
        pathNot: [...directions.map((direction) => direction.from), TEST_FILE],
      },
      to: {},
    },
    {
      name: "only-the-tracker-process-loads-trackers",
      comment: "Trackers hold credentials and users' code: the node speaks with their process through client.ts alone.",
      severity: "error",
      from: { path: "^server/src/", pathNot: [`${part("trackers")}`, TEST_FILE] },
      to: { path: part("trackers"), pathNot: part("trackers/client") },
    },
    {
      name: "the-client-loads-no-tracker",
      severity: "error",
      from: { path: part("trackers/(client|tracker-process|printed-lines|wire|moment)") },
      to: { path: part("trackers"), pathNot: part("trackers/(client|tracker-process|printed-lines|wire|moment)") },
    },
    {
      name: "product-does-not-import-tests",
      severity: "error",
      from: { path: "^((protocol|sdk|server)/src|scripts|bench)/", pathNot: TEST_FILE },
      to: { path: "\\.(test|contract|fixture)\\.ts$|^(protocol|sdk|server)/test/" },
    },
    {
      name: "protocol-imports-zod-only",
      severity: "error",
      from: { path: PROTOCOL, pathNot: TEST_FILE },
      to: { pathNot: [LOCAL, "^node_modules/zod/"] },
    },
    {
      name: "core-touches-nothing",
      comment: "core decides: no clock, randomness, I/O or package.",
      severity: "error",
      from: { path: part("core"), pathNot: TEST_FILE },
      to: { dependencyTypesNot: ["local", "localmodule", "aliased", "aliased-workspace", "type-only"], pathNot: LOCAL },
    },
    {
      name: "packages-are-declared",
      comment: "What a workspace imports stands in its own package.json.",
      severity: "error",
      from: { path: "^(protocol|sdk|server)/src/", pathNot: TEST_FILE },
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"], pathNot: LOCAL },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "/dist/" },
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["@holdfast/source", "import", "node", "default", "types"],
      extensions: [".ts", ".js", ".cjs", ".json"],
      mainFields: ["main", "types"],
    },
  },
};
