// A node in a process of its own, for tests that kill it: its arguments are the store's address and where the fakes are.
import { openServices, startNode } from "../../server/src/main.ts";

const [address = "", url = "", leaseMs = "1000"] = process.argv.slice(2);
const services = await openServices({ address, pollMs: 50 });
const connections = {
  http: { service: "http", baseUrl: url },
  bigquery: { project: "shop", location: "EU", baseUrl: url },
};
await startNode(services, { root: import.meta.dirname, connections, leaseMs: Number(leaseMs), pollMs: 50 });
process.send?.("ready");
