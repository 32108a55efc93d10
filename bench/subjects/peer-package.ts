/** A peer as far as it is used here: `bench/` is checked and tested without its packages. */
export async function loadPeer<T>(name: string): Promise<T> {
  return (await import(name)) as T;
}
