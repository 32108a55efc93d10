import { list, record, text } from "../values.ts";
import { type Cause, invalid } from "./statuses.ts";

const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const labelValue = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
const labelName = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const maxLabel = 63;

const subdomainRule =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const labelRule =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/** Refuses a Job as the API server does: the mistakes that someone who makes Jobs from code comes to make. */
export function checkJob(job: Record<string, unknown>): void {
  const { name: sent, labels } = record(job.metadata);
  const name = text(sent) ?? "";
  const spec = record(job.spec);
  const template = record(spec.template);
  const pod = record(template.spec);
  const causes = [
    ...checkName(name),
    ...checkLabels(labels, "metadata.labels"),
    ...checkLabels(record(template.metadata).labels, "spec.template.metadata.labels"),
    ...checkContainers(list(pod.containers)),
    ...checkRestart(text(pod.restartPolicy)),
    ...["parallelism", "completions", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"].flatMap(
      (field) => checkNumber(spec[field], `spec.${field}`),
    ),
  ];
  if (causes.length > 0) throw invalid(name, causes);
}

function checkName(name: string): Cause[] {
  if (name === "") {
    return [
      {
        field: "metadata.name",
        reason: "FieldValueRequired",
        message: "Required value: name or generateName is required",
      },
    ];
  }
  if (!subdomain.test(name)) {
    return [
      { field: "metadata.name", reason: "FieldValueInvalid", message: `Invalid value: "${name}": ${subdomainRule}` },
    ];
  }
  // The name becomes the value of a label of the pods.
  if (name.length <= maxLabel) return [];
  const message = `Invalid value: "${name}": must be no more than ${maxLabel} characters`;
  return [{ field: "spec.template.labels", reason: "FieldValueInvalid", message }];
}

function checkLabels(labels: unknown, field: string): Cause[] {
  return Object.entries(record(labels)).flatMap(([name, value]): Cause[] => {
    if (!labelName.test(name) || (name.split("/").at(-1) ?? "").length > maxLabel) {
      return [
        {
          field,
          reason: "FieldValueInvalid",
          message: `Invalid value: "${name}": name part must consist of alphanumeric characters, '-', '_' or '.'`,
        },
      ];
    }
    const shown = String(value);
    if (shown.length > maxLabel) {
      return [
        {
          field,
          reason: "FieldValueInvalid",
          message: `Invalid value: "${shown}": must be no more than ${maxLabel} characters`,
        },
      ];
    }
    return labelValue.test(shown)
      ? []
      : [{ field, reason: "FieldValueInvalid", message: `Invalid value: "${shown}": ${labelRule}` }];
  });
}

function checkContainers(containers: readonly unknown[]): Cause[] {
  const field = "spec.template.spec.containers";
  if (containers.length === 0) return [{ field, reason: "FieldValueRequired", message: "Required value" }];
  return containers.flatMap((container, at) =>
    ["name", "image"].flatMap((part): Cause[] =>
      text(record(container)[part])
        ? []
        : [{ field: `${field}[${at}].${part}`, reason: "FieldValueRequired", message: "Required value" }],
    ),
  );
}

function checkRestart(policy: string | undefined): Cause[] {
  if (policy === "Never" || policy === "OnFailure") return [];
  const field = "spec.template.spec.restartPolicy";
  return [{ field, reason: "FieldValueRequired", message: 'Required value: valid values: "OnFailure", "Never"' }];
}

function checkNumber(value: unknown, field: string): Cause[] {
  if (value === undefined || value === null || (typeof value === "number" && value >= 0)) return [];
  return [
    { field, reason: "FieldValueInvalid", message: `Invalid value: ${value}: must be greater than or equal to 0` },
  ];
}

const jobSpec =
  "activeDeadlineSeconds backoffLimit backoffLimitPerIndex completionMode completions managedBy manualSelector maxFailedIndexes parallelism podFailurePolicy podReplacementPolicy selector successPolicy suspend template ttlSecondsAfterFinished";
const podSpec =
  "activeDeadlineSeconds affinity automountServiceAccountToken containers dnsConfig dnsPolicy enableServiceLinks ephemeralContainers hostAliases hostIPC hostNetwork hostPID hostUsers hostname imagePullSecrets initContainers nodeName nodeSelector os overhead preemptionPolicy priority priorityClassName readinessGates resourceClaims resources restartPolicy runtimeClassName schedulerName schedulingGates securityContext serviceAccount serviceAccountName setHostnameAsFQDN shareProcessNamespace subdomain terminationGracePeriodSeconds tolerations topologySpreadConstraints volumes";
const containerFields =
  "args command env envFrom image imagePullPolicy lifecycle livenessProbe name ports readinessProbe resizePolicy resources restartPolicy securityContext startupProbe stdin stdinOnce terminationMessagePath terminationMessagePolicy tty volumeDevices volumeMounts workingDir";

/** Names that a Job has not, as `spec.template.spec.containers[0].imgae`. */
export function unknownFields(job: Record<string, unknown>): string[] {
  const spec = record(job.spec);
  const template = record(spec.template);
  const pod = record(template.spec);
  const extra = (of: Record<string, unknown>, known: string, place: string) => {
    const names = new Set(known.split(" "));
    return Object.keys(of).flatMap((name) => (names.has(name) ? [] : [`${place}${name}`]));
  };
  return [
    ...extra(job, "apiVersion kind metadata spec status", ""),
    ...extra(spec, jobSpec, "spec."),
    ...extra(template, "metadata spec", "spec.template."),
    ...extra(pod, podSpec, "spec.template.spec."),
    ...list(pod.containers).flatMap((container, at) =>
      extra(record(container), containerFields, `spec.template.spec.containers[${at}].`),
    ),
  ];
}
