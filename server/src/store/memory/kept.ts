/**
 * A copy of `value` as JSON keeps it, frozen all through: what a caller does with his own afterwards changes nothing here, and
 * nobody can change what the store hands out.
 */
export function kept<T>(value: T): T {
  return frozen(JSON.parse(JSON.stringify(value)) as T);
}

/** `value` itself, frozen all through. What is frozen already is taken to be so in depth. */
export function frozen<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const item of Object.values(value)) frozen(item);
  return value;
}
