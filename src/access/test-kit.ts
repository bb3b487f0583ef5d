import assert from "node:assert/strict";
import type { Clock } from "#kernel/clock.ts";
import { createIds } from "#kernel/ids.ts";
import { systemRandom } from "#kernel/random.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import type { Fault } from "#storage/memory/memory-store.ts";
import { API_KEYS_TABLE, apiKeyToItem } from "./api-key.ts";
import type { ApiKeyRecord } from "./api-key.ts";
import { createAuthenticator } from "./authenticate.ts";
import type { AuthenticationRefusal, OrganisationAccess, OwnerAccess, Principal } from "./authenticate.ts";
import { issueApiKey } from "./issue-api-key.ts";
import type { IssueApiKeyInput } from "./issue-api-key.ts";
import { revokeApiKey } from "./revoke-api-key.ts";

export const random = systemRandom();
/** What an organisation has that set nothing. */
export const usual: OrganisationAccess = { rateLimitPerMinute: 6_000, keyRateLimitPerMinute: 100, ipAllowlist: [] };

/** A store, a clock and authenticators over them, for the tests of this room. */
export function bench() {
  let time = 1_700_000_000_000;
  const clock: Clock = { now: () => time, sleep: async () => {} };
  const ids = createIds(clock, random);
  const database = createMemoryDatabase();
  const counts = { reads: 0 };
  /** What organisations have set; `undefined` for one that is not there. */
  const settings = new Map<string, OrganisationAccess | undefined>();
  const noted: [string, number][] = [];
  /** Operators who own keys and are active, with what they may do. */
  const owners = new Map<string, OwnerAccess>();
  let fault: Fault = { kind: "none" };
  /** Reads wait here while there is a gate. */
  let gate: Promise<void> | undefined;
  const store = openMemoryStore(database, {
    clock: { sleep: () => gate ?? Promise.resolve() },
    faults: (operation) => {
      if (operation === "get") counts.reads += 1;
      return operation === "get" ? { ...fault, ...(gate === undefined ? {} : { afterMs: 1 }) } : { kind: "none" };
    },
  });
  const put = async (record: ApiKeyRecord): Promise<void> => {
    const item = apiKeyToItem(record);
    assert.equal((await store.commit([{ op: "put", table: API_KEYS_TABLE, item, condition: "none" }])).outcome, "committed");
  };
  const issue = async (over: Partial<IssueApiKeyInput> = {}) => {
    const issued = issueApiKey(
      { clock, ids, random },
      { organisationId: ids.next("organisation"), name: "k", environment: "live", ...over },
    );
    await put(issued.record);
    return issued;
  };
  const revoke = async (record: ApiKeyRecord): Promise<void> => {
    const result = revokeApiKey(record, ids.next("apiKey"), time);
    assert.ok(result.ok);
    await put(result.record);
  };
  return {
    ids,
    clock,
    counts,
    put,
    issue,
    revoke,
    pass: (ms: number) => (time += ms),
    breakReads: (broken: boolean) => {
      fault = { kind: broken ? "unavailable" : "none" };
    },
    holdReads: (): (() => void) => {
      const held = Promise.withResolvers<void>();
      gate = held.promise;
      return () => {
        gate = undefined;
        held.resolve();
      };
    },
    settings,
    noted,
    owners,
    node: (over: { ttlMs?: number; maxCached?: number; maxReads?: number; environment?: "test" | "live" } = {}) =>
      createAuthenticator({
        store,
        clock,
        ttlMs: 5_000,
        organisation: async (id) => settings.get(id) ?? (settings.has(id) ? undefined : usual),
        owner: async (id) => owners.get(id),
        uses: { note: (id, now) => void noted.push([id, now]) },
        ...over,
      }),
  };
}

/** `ok`, or code and reason of a synchronous answer. */
export function reasonOf(answer: Principal | AuthenticationRefusal | Promise<unknown>): string {
  assert.ok("ok" in answer, "the answer should have been synchronous");
  return answer.ok ? "ok" : `${answer.code}/${answer.reason}`;
}
