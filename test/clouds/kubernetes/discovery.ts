import type { Answer, Exchange, Route } from "../routes.ts";
import { json } from "./statuses.ts";

// What a client asks before it asks for Jobs: which groups there are, and which resources in them.

const verbs = ["create", "delete", "get", "list", "patch", "watch"];
const groupVersion = "batch/v1";
const group = {
  name: "batch",
  versions: [{ groupVersion, version: "v1" }],
  preferredVersion: { groupVersion, version: "v1" },
};

const resources: Readonly<Record<string, object>> = {
  "/version": {
    major: "1",
    minor: "32",
    gitVersion: "v1.32.4",
    gitCommit: "59526cd4867447956156ae3a602fcbac10a2c335",
    gitTreeState: "clean",
    buildDate: "2025-04-22T15:56:15Z",
    goVersion: "go1.23.6",
    compiler: "gc",
    platform: "linux/amd64",
  },
  "/api": {
    kind: "APIVersions",
    versions: ["v1"],
    serverAddressByClientCIDRs: [{ clientCIDR: "0.0.0.0/0", serverAddress: "127.0.0.1:6443" }],
  },
  "/apis": { kind: "APIGroupList", apiVersion: "v1", groups: [group] },
  "/apis/batch": { kind: "APIGroup", apiVersion: "v1", ...group },
  "/apis/batch/v1": {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion,
    resources: [
      {
        name: "jobs",
        singularName: "job",
        namespaced: true,
        kind: "Job",
        verbs,
        categories: ["all"],
        storageVersionHash: "mudhfqk/qZY=",
      },
      { name: "jobs/status", singularName: "", namespaced: true, kind: "Job", verbs: ["get"] },
    ],
  },
  "/api/v1": {
    kind: "APIResourceList",
    groupVersion: "v1",
    resources: [
      {
        name: "pods",
        singularName: "pod",
        namespaced: true,
        kind: "Pod",
        verbs: ["get", "list"],
        shortNames: ["po"],
        categories: ["all"],
      },
      { name: "pods/log", singularName: "", namespaced: true, kind: "Pod", verbs: ["get"] },
    ],
  },
};

/** Enough of the published description that kubectl sees that the server checks fields itself. */
const batchPath = "/openapi/v3/apis/batch/v1";
const described = {
  "/openapi/v3": { paths: { "apis/batch/v1": { serverRelativeURL: `${batchPath}?hash=5F2A` } } },
  [batchPath]: {
    openapi: "3.0.0",
    info: { title: "Kubernetes", version: "v1.32.4" },
    paths: {
      "/apis/batch/v1/namespaces/{namespace}/jobs/{name}": {
        patch: {
          parameters: [{ name: "fieldValidation", in: "query", schema: { type: "string", uniqueItems: true } }],
          "x-kubernetes-action": "patch",
          "x-kubernetes-group-version-kind": { group: "batch", kind: "Job", version: "v1" },
        },
      },
    },
  },
};

const lives = ["/healthz", "/livez", "/readyz"];

/** Every namespace that is asked for is there. */
function namespace({ params: { namespace: name = "" } }: Exchange): Answer {
  const uid = "3f1c4f0e-9d8e-4f6a-8f6a-1c115fb5b1b0";
  const labels = { "kubernetes.io/metadata.name": name };
  const metadata = { name, uid, resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z", labels };
  return json({
    kind: "Namespace",
    apiVersion: "v1",
    metadata,
    spec: { finalizers: ["kubernetes"] },
    status: { phase: "Active" },
  });
}

export const discoveryRoutes: readonly Route[] = [
  { method: "GET", path: "/api/v1/namespaces/{namespace}", operation: "namespaces.get", handle: namespace },
  ...Object.entries({ ...resources, ...described }).map(([path, body]) => ({
    method: "GET",
    path,
    operation: "discovery",
    handle: () => json(body),
  })),
  ...lives.map((path) => ({ method: "GET", path, operation: "health", handle: () => ({ status: 200, text: "ok" }) })),
];
