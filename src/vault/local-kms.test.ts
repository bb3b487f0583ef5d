import assert from "node:assert/strict";
import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import { InvariantError } from "#kernel/assert.ts";
import { systemRandom } from "#kernel/random.ts";
import { InvalidCiphertextError } from "./kms.ts";
import type { Kms } from "./kms.ts";
import { KeyFileError } from "./local-key-file.ts";
import { openLocalKms } from "./local-kms.ts";

const random = systemRandom();
const context = { organisation_id: "org_01ARZ3NDEKTSV4RRFFQ69G5FAV", data_key_id: "dek_1", purpose: "data-key" };
const key32 = Buffer.alloc(32, 7).toString("base64");
let directory = "";
let kms: Kms;
let serial = 0;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "smartfinance-kms-"));
  kms = await openLocalKms({ file: fresh(), random });
});
after(() => rm(directory, { recursive: true }));

function fresh(): string {
  return join(directory, `${++serial}.json`);
}

async function written(content: unknown, mode = 0o600): Promise<string> {
  const file = fresh();
  await writeFile(file, typeof content === "string" ? content : JSON.stringify(content), { mode });
  await chmod(file, mode);
  return file;
}

describe("the local KMS's key file", () => {
  it("is created with mode 0600 whatever the umask, and leaves nothing beside it", async () => {
    const inside = await mkdtemp(join(directory, "d-"));
    const file = join(inside, "keys.json");
    const old = process.umask(0);
    try {
      await openLocalKms({ file, random });
    } finally {
      process.umask(old);
    }
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.deepEqual(await readdir(inside), ["keys.json"]);
  });

  it("is kept: what one opening wrapped, the next unwraps", async () => {
    const file = fresh();
    const { wrapped, plaintext, kmsKeyId } = await (await openLocalKms({ file, random })).generateDataKey(context);
    assert.equal(plaintext.length, 32);
    assert.equal(kmsKeyId, "local/1");
    assert.match(wrapped, /^[A-Za-z0-9_-]+$/);
    assert.deepEqual(await (await openLocalKms({ file, random })).decrypt(wrapped, context), plaintext);
  });

  it("is one file when many processes create it at once", async () => {
    const file = fresh();
    const opened = await Promise.all(Array.from({ length: 8 }, () => openLocalKms({ file, random })));
    const [first, ...others] = opened;
    assert.ok(first);
    const { wrapped, plaintext } = await first.generateDataKey(context);
    for (const other of others) assert.deepEqual(await other.decrypt(wrapped, context), plaintext);
  });

  it("holds older keys for unwrapping and wraps with the current one", async () => {
    const file = fresh();
    const before = await (await openLocalKms({ file, random })).generateDataKey(context);
    const content = JSON.parse(await readFile(file, "utf8")) as { current: number; keys: object[] };
    content.keys.push({ number: 2, key: key32, state: "enabled", created_at: "2026-01-01T00:00:00.000Z" });
    content.current = 2;
    const rotated = await openLocalKms({ file: await written(content), random });
    assert.deepEqual(await rotated.decrypt(before.wrapped, context), before.plaintext);
    const after = await rotated.generateDataKey(context);
    assert.equal(after.kmsKeyId, "local/2");
    await assert.rejects((await openLocalKms({ file, random })).decrypt(after.wrapped, context), InvalidCiphertextError);
  });

  it("is refused when group or others may use it", async () => {
    const good = { format: "smartfinance-local-kms-v1", current: 1, keys: [{ number: 1, key: key32 }] };
    for (const mode of [0o640, 0o604, 0o620, 0o602, 0o644, 0o660, 0o610]) {
      await assert.rejects(openLocalKms({ file: await written(good, mode), random }), (error: unknown) => {
        assert.ok(error instanceof KeyFileError);
        assert.match(error.message, /group or others/);
        return true;
      });
    }
    for (const mode of [0o600, 0o400]) await openLocalKms({ file: await written(good, mode), random });
  });

  it("is refused when malformed, and the message shows no key", async () => {
    const format = "smartfinance-local-kms-v1";
    const short = Buffer.alloc(31, 7).toString("base64");
    const bad: unknown[] = [
      "",
      "not json at all",
      `{"format":"${format}","current":1,"keys":[{"number":1,"key":"${key32}"`,
      [],
      null,
      {},
      { format: "other", current: 1, keys: [{ number: 1, key: key32 }] },
      { format, current: 1, keys: [] },
      { format, current: 2, keys: [{ number: 1, key: key32 }] },
      { format, current: "1", keys: [{ number: 1, key: key32 }] },
      { format, current: 1, keys: [{ number: 1, key: short }] },
      { format, current: 1, keys: [{ number: 1, key: `${key32}AAAA` }] },
      { format, current: 1, keys: [{ number: 1, key: key32.replace("B", "-") }] },
      { format, current: 1, keys: [{ number: 1, key: 5 }] },
      { format, current: 0, keys: [{ number: 0, key: key32 }] },
      {
        format,
        current: 1,
        keys: [
          { number: 1, key: key32 },
          { number: 1, key: key32 },
        ],
      },
      { format, current: 1, keys: Array.from({ length: 101 }, (_, n) => ({ number: n + 1, key: key32 })) },
      " ".repeat(70_000),
    ];
    for (const content of bad) {
      await assert.rejects(openLocalKms({ file: await written(content), random }), (error: unknown) => {
        assert.ok(error instanceof KeyFileError, String(content));
        assert.ok(!error.message.includes(key32.slice(0, 20)) && error.cause === undefined);
        return true;
      });
    }
  });

  it("is refused when it is a directory or lies in no directory", async () => {
    await assert.rejects(openLocalKms({ file: directory, random }), KeyFileError);
    await assert.rejects(openLocalKms({ file: join(directory, "nowhere", "keys.json"), random }), KeyFileError);
    const dangling = fresh();
    await symlink(join(directory, "gone"), dangling);
    await assert.rejects(openLocalKms({ file: dangling, random }), KeyFileError);
  });
});

describe("the local KMS", () => {
  it("ENC-01 unwraps only under the very same pairs, in any order", async () => {
    const { wrapped, plaintext } = await kms.generateDataKey(context);
    const reversed = Object.fromEntries(Object.entries(context).reverse());
    assert.deepEqual(await kms.decrypt(wrapped, reversed), plaintext);
    const others = [
      { ...context, organisation_id: "org_01ARZ3NDEKTSV4RRFFQ69G5FAW" },
      { ...context, data_key_id: "dek_2" },
      { ...context, extra: "pair" },
      { organisation_id: context.organisation_id, data_key_id: context.data_key_id },
      { organisation_id: context.data_key_id, data_key_id: context.organisation_id, purpose: context.purpose },
    ];
    for (const other of others) await assert.rejects(kms.decrypt(wrapped, other), InvalidCiphertextError);
  });

  it("ENC-01 holds for any contexts: equal pairs unwrap, others do not", async () => {
    const id = fc.string({ unit: fc.constantFrom("a", "b", "1", "_", "-", "."), minLength: 1, maxLength: 4 });
    const name = fc.constantFrom("a", "b", "c", "a_b");
    const contexts = fc.dictionary(name, id, { minKeys: 1, maxKeys: 4 });
    await fc.assert(
      fc.asyncProperty(contexts, contexts, async (one, two) => {
        const { wrapped, plaintext } = await kms.generateDataKey(one);
        const same = Object.keys(one).length === Object.keys(two).length && Object.entries(one).every(([key, value]) => two[key] === value);
        if (same) assert.deepEqual(await kms.decrypt(wrapped, two), plaintext);
        else await assert.rejects(kms.decrypt(wrapped, two), InvalidCiphertextError);
      }),
      { numRuns: 300 },
    );
  });

  it("refuses every flipped bit, every cut and every foreign character of a wrapped key", async () => {
    const { wrapped } = await kms.generateDataKey(context);
    const bytes = Buffer.from(wrapped, "base64url");
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      await assert.rejects(kms.decrypt(changed.toString("base64url"), context), InvalidCiphertextError);
    }
    for (let length = 0; length < bytes.length; length++) {
      await assert.rejects(kms.decrypt(bytes.subarray(0, length).toString("base64url"), context), InvalidCiphertextError);
    }
    for (const text of ["", "?", `${wrapped} `, `${wrapped}=`, `${wrapped}AAAA`, wrapped.replace(/^./, "-")]) {
      await assert.rejects(kms.decrypt(text, context), InvalidCiphertextError);
    }
  });

  it("takes ids only as context, so that nothing personal reaches a service's log", async () => {
    const { wrapped } = await kms.generateDataKey(context);
    const bad: Record<string, string>[] = [
      {},
      { email: "someone@example.com" },
      { name: "Ada Lovelace" },
      { id: "" },
      { id: "x".repeat(129) },
      { "Upper-Case": "x" },
      Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`p${n}`, "x"])),
    ];
    for (const wrong of bad) {
      await assert.rejects(kms.generateDataKey(wrong), InvariantError);
      await assert.rejects(kms.decrypt(wrapped, wrong), InvariantError);
    }
  });

  it("gives a new key and a new wrapping each time", async () => {
    const many = await Promise.all(Array.from({ length: 200 }, () => kms.generateDataKey(context)));
    assert.equal(new Set(many.map(({ plaintext }) => Buffer.from(plaintext).toString("hex"))).size, 200);
    assert.equal(new Set(many.map(({ wrapped }) => wrapped)).size, 200);
  });
});
