import type { Json } from "@holdfast/protocol";
import { given, type JobOptions, makeJob } from "./external-job.ts";

/** What a Kubernetes Job answers. */
export interface KubernetesResult {
  readonly name: string;
  readonly namespace: string;
  readonly succeeded: number;
  readonly failed: number;
}

interface KubernetesPlace extends JobOptions {
  readonly namespace?: string;
}

/** One container, started once: retries are the run's. */
export interface KubernetesContainer {
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly serviceAccount?: string;
  readonly job?: never;
}

/** A whole Job. */
export interface KubernetesManifest {
  readonly job: {
    readonly metadata?: {
      readonly labels?: Readonly<Record<string, string>>;
      readonly annotations?: Readonly<Record<string, string>>;
    };
    readonly spec: Readonly<Record<string, Json>>;
  };
  readonly image?: never;
}

/** Kubernetes Jobs. */
export const kubernetes = {
  service: "kubernetes",
  /** Makes a Job: of a container, or of a whole `job`. */
  job: (options: KubernetesPlace & (KubernetesContainer | KubernetesManifest)) => {
    const { connection, ...spec } = options;
    return makeJob<KubernetesResult>({ service: "kubernetes", connection }, { spec: given(spec) });
  },
  /** A Job that has been made by somebody else; with its `uid`, another one of the same name is not taken for it. */
  existing: (ref: KubernetesPlace & { readonly name: string; readonly uid?: string }) => {
    const { connection, namespace, name, uid } = ref;
    return makeJob<KubernetesResult>({ service: "kubernetes", connection }, { ref: given({ namespace, name, uid }) });
  },
} as const;
