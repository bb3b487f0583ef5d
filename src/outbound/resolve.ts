import { Resolver } from "node:dns/promises";
import type { Resolve, ResolvedAddress } from "./contract.ts";

const TIMEOUT_MS = 2_000;
const TRIES = 2;

/**
 * Asks the name servers of this machine, or the ones given. Not `getaddrinfo`: that one holds a thread of the pool for as
 * long as a hostile name server likes, and reads the hosts file, in which internal machines are found.
 * @param servers addresses, each perhaps with a port; those of the system where absent
 */
export function createResolve(servers?: readonly string[]): Resolve {
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES });
  if (servers !== undefined) resolver.setServers(servers);
  return async (hostname) => {
    const [four, six] = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]);
    if (four.status === "rejected" && six.status === "rejected") throw new Error("the name cannot be resolved", { cause: four.reason });
    const found: ResolvedAddress[] = [];
    if (four.status === "fulfilled") for (const address of four.value) found.push({ address, family: 4 });
    if (six.status === "fulfilled") for (const address of six.value) found.push({ address, family: 6 });
    return found;
  };
}
