/**
 * Reports of the surfaces that others build on, checked in under api/, so that no change to them goes unseen.
 * Without arguments it fails when a report differs; `npm run api:update` rewrites them.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { Extractor, ExtractorConfig, ExtractorLogLevel, type ExtractorMessage } from "@microsoft/api-extractor";
import ts from "typescript";
import { methodTable } from "./method-table.ts";

const root = join(import.meta.dirname, "..");
const reportFolder = join(root, "api");
mkdirSync(join(root, "temp"), { recursive: true });
/** Inside the tree, so that imports of packages resolve. */
const workFolder = mkdtempSync(join(root, "temp", "api-"));

/** Report name → the source file whose exports it shows. The surface of `ctx` is TaskContext in the sdk's report. */
const surfaces = {
  sdk: "sdk/src/index.ts",
  external: "sdk/src/external.ts",
  store: "server/src/store/store.ts",
  embedded: "server/src/embedded.ts",
  "state-backend": "server/src/state-backends/index.ts",
  testing: "server/src/testing/index.ts",
  tracker: "server/src/trackers/own-tracker.ts",
} as const;

const methodTableFile = join(reportFolder, "channel-methods.md");

function declarationOf(source: string): string {
  return join(workFolder, source.replace(/\.ts$/, ".d.ts"));
}

/** Emits the declarations of every surface and of what it imports, folder by folder as in the tree. */
function emitDeclarations(): void {
  const { config } = ts.readConfigFile(join(root, "tsconfig.base.json"), (path) => readFileSync(path, "utf8"));
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const program = ts.createProgram(
    Object.values(surfaces).map((source) => join(root, source)),
    { ...options, noEmit: false, declaration: true, emitDeclarationOnly: true, rootDir: root, outDir: workFolder },
  );
  const { diagnostics } = program.emit();
  const errors = diagnostics.filter((diagnostic) => diagnostic.category === ts.DiagnosticCategory.Error);
  if (errors.length > 0)
    throw new Error(errors.map((error) => ts.flattenDiagnosticMessageText(error.messageText, "\n")).join("\n"));
}

/** True when the report in api/ is what the sources say; with `update` it is made so. */
function checkSurface(name: string, source: string, update: boolean): boolean {
  const entry = declarationOf(source);
  if (!existsSync(entry)) {
    console.log(`missing: ${source}`);
    return false;
  }
  const config = ExtractorConfig.prepare({
    configObject: {
      projectFolder: root,
      mainEntryPointFilePath: entry,
      compiler: {
        overrideTsconfig: {
          files: [entry],
          compilerOptions: {
            target: "es2023",
            lib: ["es2023", "esnext.iterator", "esnext.collection", "esnext.disposable"],
            module: "nodenext",
            moduleResolution: "nodenext",
            strict: true,
            exactOptionalPropertyTypes: true,
            skipLibCheck: true,
            types: ["node"],
            allowImportingTsExtensions: true,
            noEmit: true,
            paths: {
              "@holdfast/protocol": [declarationOf("protocol/src/index.ts")],
              "@holdfast/sdk": [declarationOf("sdk/src/index.ts")],
              "@holdfast/sdk/*": [declarationOf("sdk/src/*.ts")],
            },
          },
        },
      },
      apiReport: {
        enabled: true,
        includeForgottenExports: true,
        reportFileName: `${name}.api.md`,
        reportFolder,
        reportTempFolder: join(workFolder, "reports"),
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      newlineKind: "lf",
      messages: {
        extractorMessageReporting: {
          default: { logLevel: ExtractorLogLevel.Warning },
          // What a surface leans on is shown in its report, exported or not.
          "ae-forgotten-export": { logLevel: ExtractorLogLevel.None },
          "ae-undocumented": { logLevel: ExtractorLogLevel.None },
          "ae-missing-release-tag": { logLevel: ExtractorLogLevel.None },
        },
        tsdocMessageReporting: { default: { logLevel: ExtractorLogLevel.None } },
      },
    },
    configObjectFullPath: undefined,
    packageJsonFullPath: join(root, source.split("/")[0] ?? "", "package.json"),
  });
  const messages: string[] = [];
  const result = Extractor.invoke(config, {
    localBuild: update,
    messageCallback: (message: ExtractorMessage) => {
      message.handled = true;
      if (message.logLevel === ExtractorLogLevel.Error || message.logLevel === ExtractorLogLevel.Warning) {
        messages.push(message.formatMessageWithLocation(root));
      }
    },
  });
  for (const message of messages) console.log(message);
  if (result.apiReportChanged)
    console.log(`${update ? "rewritten" : "differs"}: ${relative(root, config.reportFilePath)}`);
  return update || (!result.apiReportChanged && result.errorCount === 0);
}

function checkMethodTable(update: boolean): boolean {
  const wanted = methodTable();
  if (update) writeFileSync(methodTableFile, wanted);
  let kept = "";
  try {
    kept = readFileSync(methodTableFile, "utf8");
  } catch {
    // Not written yet: it differs.
  }
  if (kept !== wanted) console.log(`differs: api/${basename(methodTableFile)}`);
  return kept === wanted;
}

const update = process.argv.includes("--update");
mkdirSync(reportFolder, { recursive: true });
const verdicts: boolean[] = [];
try {
  emitDeclarations();
  for (const [name, source] of Object.entries(surfaces)) verdicts.push(checkSurface(name, source, update));
  verdicts.push(checkMethodTable(update));
} finally {
  rmSync(workFolder, { recursive: true, force: true });
}
if (verdicts.includes(false)) {
  console.log("If the change is meant, run `npm run api:update` and commit api/.");
  process.exitCode = 1;
}
