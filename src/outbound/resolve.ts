import { Resolver } from "node:dns/promises";
import type { Resolve, ResolvedAddress } from "./contract.ts";

const TIMEOUT_MS = 2_000;
const TRIES = 2;
/** How long the addresses of one family wait for those of the other, ms. */
const PATIENCE_MS = 1_000;
/** The same for those of IPv4, which some machines have no other way than: time for the question to be lost once. */
const PATIENCE_4_MS = TIMEOUT_MS + PATIENCE_MS;

/**
 * Asks the name servers of this machine, or the ones given. Not `getaddrinfo`: that one holds a thread of the pool for as
 * long as a hostile name server likes, and reads the hosts file, in which internal machines are found.
 * @param servers addresses, each perhaps with a port; those of the system where absent
 */
export function createResolve(servers?: readonly string[]): Resolve {
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES });
  if (servers !== undefined) resolver.setServers(servers);
  return async (hostname) => {
    const found: ResolvedAddress[] = [];
    const ask = async (family: 4 | 6): Promise<void> => {
      const addresses = await (family === 4 ? resolver.resolve4(hostname) : resolver.resolve6(hostname));
      for (const address of addresses) found.push({ address, family });
    };
    const asked = [ask(4), ask(6)];
    const both = Promise.allSettled(asked);
    await Promise.any(asked).catch((error: unknown) => {
      throw new Error("the name cannot be resolved", { cause: error });
    });
    // Some name servers never answer for the family that they do not know, and to wait for that takes longer than the whole call may.
    await within(both, found.some(({ family }) => family === 4) ? PATIENCE_MS : PATIENCE_4_MS);
    return found.toSorted((a, b) => a.family - b.family);
  };
}

/** Waits for something, but not longer than this. */
function within(something: Promise<unknown>, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    void something.then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
