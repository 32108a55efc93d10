const passedOn = ["PATH", "HOME", "LANG", "TZ", "TMPDIR"] as const;

/** A child's environment, made from nothing: five names of the node's own where they are set, and what is declared. */
export function childEnvironment(
  own: Readonly<Record<string, string | undefined>>,
  declared: Readonly<Record<string, string>>,
): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const name of passedOn) {
    const value = own[name];
    if (value !== undefined) environment[name] = value;
  }
  return { ...environment, ...declared };
}
