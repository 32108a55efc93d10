import { randomUUID } from "node:crypto";
import { limits } from "@holdfast/protocol";
import type { Settings } from "../config.ts";
import { lookForPython } from "../main/python-check.ts";
import { version } from "../version.ts";
import { connect, type EmbeddedConnection, namedServer, openEmbedded } from "./connection.ts";
import { counted } from "./definitions.ts";
import { findDev } from "./dev-file.ts";
import { exitCodes } from "./failures.ts";
import {
  clockFinding,
  type Finding,
  failure,
  folderFindings,
  guardFinding,
  memberFinding,
  nodeFinding,
  obligationFinding,
} from "./findings.ts";
import { type CommonFlags, openProject } from "./project.ts";
import { missingStore, shownStore } from "./store-address.ts";
import type { Terminal } from "./terminal.ts";

/** `holdfast doctor`: looks at what Holdfast stands on. Fails when something of it is wrong. */
export async function doctor(terminal: Terminal, flags: CommonFlags): Promise<number> {
  const findings: Finding[] = [nodeFinding(), guardFinding()];
  if (namedServer(flags) !== undefined) findings.push(...(await serverFindings(terminal, flags)));
  else {
    const settings = await openProject(terminal, flags);
    findings.push({ what: "project", state: "ok", said: settings.root });
    findings.push({ what: "config", state: "ok", said: settings.configFile ?? "none: defaults" });
    findings.push(...folderFindings(settings.root));
    findings.push({ what: "python", ...(await lookForPython(settings)) });
    const dev = await findDev(settings.root);
    findings.push({ what: "dev", state: "ok", said: dev === undefined ? "not running" : dev.url });
    const missing = missingStore(settings);
    if (missing === undefined) findings.push(...(await storeFindings(settings)));
    else {
      const hint = "The first holdfast run or holdfast dev makes it.";
      findings.push({ what: "store", state: "ok", said: `${missing} is not there yet`, hint });
    }
  }
  const { colors } = terminal;
  const signs = { ok: colors.green("✓"), warn: colors.yellow("!"), wrong: colors.red("✗") };
  for (const { what, state, said, hint } of findings) {
    terminal.print(`${signs[state]} ${what.padEnd(12)} ${said}`);
    if (hint !== undefined) terminal.print(`  ${" ".repeat(12)} ${terminal.typed(hint)}`);
  }
  terminal.answer({ version, findings });
  return findings.some(({ state }) => state === "wrong") ? exitCodes.failed : exitCodes.done;
}

async function serverFindings(terminal: Terminal, flags: CommonFlags): Promise<Finding[]> {
  const { plane, address, close } = await connect(terminal, flags);
  try {
    const startedAt = Date.now();
    const described = await plane.describe();
    const { store, namespace, now } = described;
    const clock = clockFinding({ now: Date.parse(now), startedAt, endedAt: Date.now() });
    return [
      { what: "server", state: "ok", said: `${address}, holdfast ${described.version}` },
      { what: "store", state: "ok", said: `${store}, namespace ${namespace}` },
      clock,
      obligationFinding(await plane.listObligations({}), Date.parse(now)),
    ];
  } catch (error) {
    return [failure("server", error)];
  } finally {
    await close();
  }
}

async function storeFindings(settings: Settings): Promise<Finding[]> {
  let connection: EmbeddedConnection;
  try {
    connection = await openEmbedded(settings);
  } catch (error) {
    return [failure("store", error)];
  }
  const { store, namespace, definitions, obligations } = connection.services;
  const findings: Finding[] = [];
  try {
    // The first answer may have waited for a connection.
    await store.describe();
    const startedAt = Date.now();
    const { kind, schemaVersion, incarnation, now, timedLeases } = await store.describe();
    const endedAt = Date.now();
    findings.push({ what: "store", state: "ok", said: `${shownStore(settings.store)} (${kind})` });
    findings.push({ what: "schema", state: "ok", said: `version ${schemaVersion}, incarnation ${incarnation}` });
    findings.push(clockFinding({ now, startedAt, endedAt }));
    findings.push(await writeFinding(connection));
    findings.push(await backendFinding(connection, settings));
    const members = (await store.listMembers({ namespace })).filter(({ endedAt }) => endedAt === null);
    findings.push(memberFinding(members, { now, timedLeases }));
    findings.push(obligationFinding(await obligations.list({}), now));
    const list = await definitions.list();
    findings.push({ what: "definitions", state: "ok", said: counted(list.length, "definition") });
  } catch (error) {
    findings.push(failure("store", error));
  } finally {
    await connection.close();
  }
  return findings;
}

/** Where large values of state lie, whether it can be used, and whether it keeps them. */
async function backendFinding(
  { services: { objects } }: EmbeddedConnection,
  { state, store }: Settings,
): Promise<Finding> {
  const what = "state";
  const { backend } = objects;
  if (backend === undefined) {
    const said = `all values lie in the store, with ${limits.stateValueBytes / 1_024} KiB at most`;
    return { what, state: "ok", said };
  }
  try {
    await objects.tryBackend();
    const said = `${backend.place}, for values of more than ${state.inlineBytes} bytes`;
    const [defect] = await objects.findDefects();
    if (defect !== undefined) {
      const isWrong = defect.certain && !state.acceptLoss;
      return { what, state: isWrong ? "wrong" : "warn", said: `${said}. ${defect.message}`, hint: defect.hint };
    }
    if (state.backend.startsWith("file:") && store.startsWith("postgres")) {
      return { what, state: "warn", said, hint: "Every node needs this same folder: mount it on each." };
    }
    return { what, state: "ok", said };
  } catch (error) {
    return failure(what, error);
  }
}

/** Joins and leaves, which is a write of each kind. */
async function writeFinding({ services: { store, namespace } }: EmbeddedConnection): Promise<Finding> {
  const id = `doctor-${randomUUID()}`;
  try {
    await store.joinMember({ id, kind: "worker", name: "holdfast doctor", namespace, serves: null, leaseMs: 15_000 });
    await store.leaveMember({ id });
    return { what: "write", state: "ok", said: "a row was written and taken back" };
  } catch (error) {
    return failure("write", error);
  }
}
