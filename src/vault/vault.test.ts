import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import { createIds } from "#kernel/ids.ts";
import type { Clock } from "#kernel/clock.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import { systemRandom } from "#kernel/random.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import type { Fault, Operation } from "#storage/memory/memory-store.ts";
import { KmsUnavailableError, openLocalKms } from "./index.ts";
import type { Kms } from "./index.ts";
import { DataKeyNotFoundError } from "./errors.ts";
import { createVault } from "./vault.ts";
import type { Vault } from "./vault.ts";

const random = systemRandom();
let directory = "";
let localKms: Kms;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "smartfinance-vault-"));
  localKms = await openLocalKms({ file: join(directory, "keys.json"), random });
});
after(() => rm(directory, { recursive: true }));

type Options = { readonly maxCached?: number; readonly cacheMs?: number; readonly rotateAfterUses?: number };

/** A database, a clock that stands still, and any number of nodes on them. */
function bench() {
  let time = 1_700_000_000_000;
  const clock: Clock = {
    now: () => time,
    sleep: async (ms) => {
      time += ms;
    },
  };
  const ids = createIds(clock, random);
  const database = createMemoryDatabase();
  const calls = { get: 0, commit: 0, generate: 0, decrypt: 0 };
  const kms: Kms = {
    generateDataKey: (context) => {
      calls.generate += 1;
      return localKms.generateDataKey(context);
    },
    decrypt: (wrapped, context) => {
      calls.decrypt += 1;
      return localKms.decrypt(wrapped, context);
    },
  };
  const node = (options: Options = {}, faults?: (operation: Operation) => Fault, ownKms: Kms = kms): Vault =>
    createVault({
      store: openMemoryStore(database, {
        clock,
        faults: (operation) => {
          if (operation === "get" || operation === "commit") calls[operation] += 1;
          return faults?.(operation) ?? { kind: "none" };
        },
      }),
      kms: ownKms,
      clock,
      ids,
      random,
      ...options,
    });
  const stored = async (): Promise<Record<string, unknown>[]> => {
    const items: Record<string, unknown>[] = [];
    for await (const { item } of openMemoryStore(database).dump()) items.push(item);
    return items;
  };
  return { node, calls, stored, organisation: () => ids.next("organisation"), pass: (ms: number) => (time += ms) };
}

function bindingOf(organisation_id: OrganisationId) {
  return { organisation_id, table: "smartfinance-users", record: "usr_1", field: "email" };
}

describe("the vault", () => {
  it("makes a key on first use, stores it wrapped, and another node opens with it", async () => {
    const { node, organisation, stored } = bench();
    const org = organisation();
    const [one, two] = [node(), node()];
    const sealed = one.seal(await one.dataKey(org), bindingOf(org), "ada@example.com");
    assert.equal(two.open(await two.dataKeyById(org, sealed.key_id), bindingOf(org), sealed), "ada@example.com");
    assert.equal((await two.dataKey(org)).id, sealed.key_id);
    const items = await stored();
    assert.deepEqual(new Set(items.map(({ id }) => id)), new Set([sealed.key_id, org]));
    const key = items.find(({ id }) => id === sealed.key_id);
    const { id, organisation_id, purpose, number, state } = key ?? {};
    assert.deepEqual([id, organisation_id, purpose, number, state], [sealed.key_id, org, "data-key", 1, "enabled"]);
    // What lies in the store is wrapped: it is not the key.
    const other = await two.dataKeyById(org, sealed.key_id);
    assert.notEqual(other.secret.export().toString("base64url"), key?.["wrapped_key"]);
  });

  it("serves from memory for cacheMs, then reads again and goes on counting uses", async () => {
    const { node, calls, organisation, pass } = bench();
    const org = organisation();
    const vault = node({ cacheMs: 1_000 });
    const first = await vault.dataKey(org);
    vault.seal(first, bindingOf(org), "x");
    assert.deepEqual({ ...calls }, { get: 1, commit: 1, generate: 1, decrypt: 0 });
    pass(999);
    assert.equal(await vault.dataKey(org), first);
    assert.equal(await vault.dataKeyById(org, first.id), first);
    assert.equal(calls.get, 1);
    pass(1);
    const again = await vault.dataKey(org);
    assert.equal(again.id, first.id);
    assert.equal(again.uses, 1);
    assert.deepEqual({ ...calls }, { get: 3, commit: 1, generate: 1, decrypt: 1 });
  });

  it("shares one load among requests that come together", async () => {
    const { node, calls, organisation } = bench();
    const org = organisation();
    const vault = node();
    const keys = await Promise.all(Array.from({ length: 100 }, () => vault.dataKey(org)));
    assert.equal(new Set(keys).size, 1);
    assert.deepEqual({ ...calls }, { get: 1, commit: 1, generate: 1, decrypt: 0 });
  });

  it("keeps at most maxCached keys", async () => {
    const { node, calls, organisation } = bench();
    const vault = node({ maxCached: 2 });
    const orgs = [organisation(), organisation(), organisation()];
    for (const org of orgs) await vault.dataKey(org);
    const before = calls.get;
    for (const org of orgs.slice(1)) await vault.dataKey(org);
    assert.equal(calls.get, before);
    await vault.dataKey(orgs[0] as OrganisationId);
    assert.ok(calls.get > before);
  });

  it("gives nodes that start together one and the same key", async () => {
    const { node, organisation, stored } = bench();
    const org = organisation();
    const keys = await Promise.all(Array.from({ length: 10 }, () => node().dataKey(org)));
    assert.equal(new Set(keys.map(({ id }) => id)).size, 1);
    assert.equal((await stored()).length, 2);
  });

  it("settles any mix of faults: one key, or a clear refusal and nothing half-made", async () => {
    const kind = fc.constantFrom("none", "throttled", "timeout_written", "timeout_unwritten", "timeout_written_later", "unavailable");
    const outcomes = new Set<string>();
    await fc.assert(
      fc.asyncProperty(fc.array(kind, { maxLength: 12 }), fc.integer({ min: 1, max: 3 }), async (kinds, nodes) => {
        const { node, organisation, stored } = bench();
        const org = organisation();
        const faults = (): Fault => ({ kind: kinds.shift() ?? "none", laterBy: 3 });
        const results = await Promise.allSettled(Array.from({ length: nodes }, () => node({}, faults).dataKey(org)));
        const ids = new Set<string>();
        for (const result of results) {
          outcomes.add(result.status);
          if (result.status === "fulfilled") ids.add(result.value.id);
          else assert.ok(result.reason instanceof StoreUnavailableError, String(result.reason));
        }
        assert.ok(ids.size <= 1);
        const items = await stored();
        assert.ok(items.length === 0 || items.length === 2);
        for (const id of ids) assert.ok(items.some((item) => item["current_key_id"] === id));
      }),
      { numRuns: 500 },
    );
    assert.deepEqual([...outcomes].sort(), ["fulfilled", "rejected"]);
  });

  it("gives up after a bounded number of attempts", async () => {
    const { node, calls, organisation } = bench();
    const vault = node({}, (operation) => ({ kind: operation === "commit" ? "timeout_unwritten" : "none" }));
    await assert.rejects(vault.dataKey(organisation()), StoreUnavailableError);
    assert.deepEqual({ ...calls }, { get: 6, commit: 6, generate: 1, decrypt: 0 });
  });

  it("caches no failure", async () => {
    const { node, organisation } = bench();
    const org = organisation();
    let down = true;
    const vault = node({}, () => ({ kind: down ? "unavailable" : "none" }));
    await assert.rejects(vault.dataKey(org), StoreUnavailableError);
    down = false;
    assert.equal((await vault.dataKey(org)).organisationId, org);

    let kmsDown = true;
    const flaky: Kms = {
      generateDataKey: (context) => (kmsDown ? Promise.reject(new KmsUnavailableError("down")) : localKms.generateDataKey(context)),
      decrypt: (wrapped, context) => (kmsDown ? Promise.reject(new KmsUnavailableError("down")) : localKms.decrypt(wrapped, context)),
    };
    const other = organisation();
    const second = node({}, undefined, flaky);
    await assert.rejects(second.dataKey(other), KmsUnavailableError);
    await assert.rejects(second.dataKey(org), KmsUnavailableError);
    kmsDown = false;
    assert.equal((await second.dataKey(other)).organisationId, other);
    assert.equal((await second.dataKey(org)).organisationId, org);
  });

  it("replaces a key that was used often enough; the old one still opens", async () => {
    const { node, organisation, stored } = bench();
    const org = organisation();
    const vault = node({ rotateAfterUses: 3 });
    const first = await vault.dataKey(org);
    const sealed = [1, 2, 3].map((n) => vault.seal(first, bindingOf(org), `text ${n}`));
    const [second, together] = await Promise.all([vault.dataKey(org), vault.dataKey(org)]);
    assert.notEqual(second.id, first.id);
    assert.equal(together, second);
    assert.equal(await vault.dataKey(org), second);
    const other = node();
    for (const [n, one] of sealed.entries()) {
      assert.equal(other.open(await other.dataKeyById(org, one.key_id), bindingOf(org), one), `text ${n + 1}`);
    }
    assert.equal((await other.dataKey(org)).id, second.id);
    const keyring = (await stored()).find(({ id }) => id === org);
    assert.deepEqual(keyring?.["key_ids"], [first.id, second.id]);
    assert.equal(keyring?.["version"], 2);
  });

  it("gives no organisation another's key, cached or not", async () => {
    const { node, organisation } = bench();
    const [mine, theirs] = [organisation(), organisation()];
    const vault = node();
    const key = await vault.dataKey(mine);
    await assert.rejects(vault.dataKeyById(theirs, key.id), DataKeyNotFoundError);
    await assert.rejects(node().dataKeyById(theirs, key.id), DataKeyNotFoundError);
    assert.equal(await vault.dataKeyById(mine, key.id), key);
    for (const unknown of ["dek_01ARZ3NDEKTSV4RRFFQ69G5FAV", "dek_x", "", theirs, mine]) {
      await assert.rejects(vault.dataKeyById(mine, unknown), DataKeyNotFoundError);
    }
  });
});
