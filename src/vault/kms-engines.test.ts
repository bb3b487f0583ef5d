import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import { startKmsServer } from "#test/support/kms-server.ts";
import type { KmsFault, KmsServer } from "#test/support/kms-server.ts";
import { InvariantError } from "#kernel/assert.ts";
import { systemRandom } from "#kernel/random.ts";
import { openAwsKms } from "./aws/index.ts";
import { rotateKeyFile, setKeyState } from "./change-key-file.ts";
import { InvalidCiphertextError, KmsKeyUnusableError, KmsUnavailableError } from "./kms.ts";
import type { EncryptionContext, Kms } from "./kms.ts";
import { KeyFileError } from "./local-key-file.ts";
import { openLocalKms } from "./local-kms.ts";

const random = systemRandom();
const credentials = { accessKeyId: "test", secretAccessKey: "test" };
const context = { organisation_id: "org_01ARZ3NDEKTSV4RRFFQ69G5FAV", data_key_id: "dek_1", purpose: "data-key", environment: "test" };
let directory = "";
let server: KmsServer;
let serial = 0;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "smartfinance-engines-"));
  server = await startKmsServer();
});
after(async () => {
  await server.close();
  await rm(directory, { recursive: true });
});

/** An engine with a wrapping key of its own, and how that key is changed from outside. */
interface Bench {
  readonly kms: Kms;
  /** New wraps use new material from now on. */
  rotate(): Promise<void>;
  /** Blocks the key that has been used so far. */
  block(): Promise<void>;
  close(): void;
}

async function awsBench(): Promise<Bench> {
  const keyId = server.addKey();
  const kms = await openAwsKms({
    keyId,
    environment: "test",
    endpoint: server.endpoint,
    region: server.region,
    credentials,
    attemptMs: 300,
  });
  return {
    kms,
    rotate: async () => server.rotateMaterial(keyId),
    block: async () => server.setState(keyId, "Disabled"),
    close: () => kms.close(),
  };
}

async function localBench(): Promise<Bench> {
  const file = join(directory, `${++serial}.json`);
  const facts = { environment: "test" as const, now: 1_700_000_000_000 };
  const kms = await openLocalKms({ file, random });
  return {
    kms,
    rotate: async () => void (await rotateKeyFile(file, random, facts)),
    block: async () => void (await setKeyState(file, 1, "compromised", random, facts)),
    close: () => undefined,
  };
}

const engines: readonly (readonly [string, () => Promise<Bench>])[] = [
  ["local", localBench],
  ["aws", awsBench],
];

for (const [name, open] of engines) {
  void describe(`the KMS engine ${name}`, () => {
    let bench: Bench;
    before(async () => {
      bench = await open();
    });
    after(() => bench.close());

    void it("gives back the key it wrapped, each a new one", async () => {
      const one = await bench.kms.generateDataKey(context);
      const two = await bench.kms.generateDataKey(context);
      assert.equal(one.plaintext.length, 32);
      assert.notDeepEqual(one.plaintext, two.plaintext);
      assert.notEqual(one.wrapped, two.wrapped);
      assert.match(one.wrapped, /^[A-Za-z0-9_-]+$/);
      assert.deepEqual(Buffer.from(await bench.kms.decrypt(one.wrapped, context, one.kmsKeyId)), Buffer.from(one.plaintext));
    });

    void it("ENC-01 refuses every changed, missing and extra pair of the context; their order does not matter", async () => {
      const { wrapped, plaintext } = await bench.kms.generateDataKey(context);
      const reversed = Object.fromEntries(Object.entries(context).reverse());
      assert.deepEqual(Buffer.from(await bench.kms.decrypt(wrapped, reversed)), Buffer.from(plaintext));
      const wrong: EncryptionContext[] = [{ ...context, extra: "pair" }];
      for (const pair of Object.keys(context)) {
        wrong.push({ ...context, [pair]: "other" }, Object.fromEntries(Object.entries(context).filter(([each]) => each !== pair)));
      }
      for (const other of wrong) {
        await assert.rejects(bench.kms.decrypt(wrapped, other), InvalidCiphertextError);
        await assert.rejects(bench.kms.reEncrypt?.(wrapped, other) ?? Promise.resolve(), InvalidCiphertextError);
      }
    });

    void it("ENC-01 holds for any two contexts", async () => {
      const id = fc.string({ unit: fc.constantFrom("a", "b", "1", "_"), minLength: 1, maxLength: 3 });
      const contexts = fc.dictionary(fc.constantFrom("a", "b", "a_b"), id, { minKeys: 1, maxKeys: 3, noNullPrototype: true });
      await fc.assert(
        fc.asyncProperty(contexts, contexts, async (one, two) => {
          const { wrapped, plaintext } = await bench.kms.generateDataKey(one);
          const same = Object.keys(one).length === Object.keys(two).length && Object.entries(one).every(([k, v]) => two[k] === v);
          if (same) assert.deepEqual(Buffer.from(await bench.kms.decrypt(wrapped, two)), Buffer.from(plaintext));
          else await assert.rejects(bench.kms.decrypt(wrapped, two), InvalidCiphertextError);
        }),
        { numRuns: 60 },
      );
    });

    void it("ENC-03 takes ids only as context: no name, e-mail, card number or IBAN", async () => {
      const { wrapped } = await bench.kms.generateDataKey(context);
      const personal = ["Ada Lovelace", "ada@example.com", "4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00"];
      for (const value of [...personal, ...personal.map((each) => each.replaceAll(" ", "")).slice(1), "", "x".repeat(129)]) {
        await assert.rejects(async () => bench.kms.generateDataKey({ ...context, value }), InvariantError);
        await assert.rejects(async () => bench.kms.decrypt(wrapped, { ...context, value }), InvariantError);
      }
    });

    void it("refuses a wrapped key with any byte changed, cut or added, and any other text", async () => {
      const { wrapped } = await bench.kms.generateDataKey(context);
      const bytes = Buffer.from(wrapped, "base64url");
      for (let at = 0; at < bytes.length; at++) {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ 0x10;
        await assert.rejects(bench.kms.decrypt(changed.toString("base64url"), context), InvalidCiphertextError);
      }
      for (const text of ["", "?", `${wrapped}A`, `${wrapped}=`, wrapped.slice(0, -4), bytes.subarray(0, 20).toString("base64url")])
        await assert.rejects(async () => bench.kms.decrypt(text, context), InvalidCiphertextError);
    });

    void it("ENC-07 after a rotation of the wrapping key old wraps open, and re-encryption moves them", async () => {
      const own = await open();
      const before = await own.kms.generateDataKey(context);
      await own.rotate();
      assert.deepEqual(Buffer.from(await own.kms.decrypt(before.wrapped, context, before.kmsKeyId)), Buffer.from(before.plaintext));
      const moved = await own.kms.reEncrypt?.(before.wrapped, context, before.kmsKeyId);
      assert.ok(moved && moved.wrapped !== before.wrapped);
      assert.deepEqual(Buffer.from(await own.kms.decrypt(moved.wrapped, context, moved.kmsKeyId)), Buffer.from(before.plaintext));
      own.close();
    });

    void it("ENC-07 a blocked key unwraps nothing from the very next call on", async () => {
      const own = await open();
      const made = await own.kms.generateDataKey(context);
      await own.block();
      await assert.rejects(own.kms.decrypt(made.wrapped, context, made.kmsKeyId), KmsKeyUnusableError);
      await assert.rejects(own.kms.reEncrypt?.(made.wrapped, context, made.kmsKeyId) ?? Promise.resolve(), KmsKeyUnusableError);
      const states = (await own.kms.describe?.())?.keys.map(({ state }) => state);
      assert.ok(states?.includes("compromised") || states?.includes("Disabled"));
      own.close();
    });
  });
}

void describe("the local engine", () => {
  void it("ENC-07 wraps with the newest key, and never with a retired one", async () => {
    const file = join(directory, "rotating.json");
    const facts = { environment: "test" as const, now: 1_700_000_000_000 };
    const kms = await openLocalKms({ file, random });
    const first = await kms.generateDataKey(context);
    assert.equal(await rotateKeyFile(file, random, facts), 2);
    assert.equal((await kms.generateDataKey(context)).kmsKeyId, "local/2");
    assert.equal(await setKeyState(file, 2, "retired", random, facts), 3);
    assert.equal((await kms.generateDataKey(context)).kmsKeyId, "local/3");
    assert.deepEqual(await kms.decrypt(first.wrapped, context), first.plaintext);
    await setKeyState(file, 1, "compromised", random, facts);
    await assert.rejects(
      kms.decrypt(first.wrapped, context),
      (error: unknown) => error instanceof KmsKeyUnusableError && error.fault === "compromised",
    );
    // A mistaken block is taken back by the operator.
    await setKeyState(file, 1, "retired", random, facts);
    assert.deepEqual(await kms.decrypt(first.wrapped, context), first.plaintext);
    assert.deepEqual(
      (await kms.describe?.())?.keys.map(({ id, state, current }) => `${id} ${state} ${current}`),
      ["local/1 retired false", "local/2 retired false", "local/3 enabled true"],
    );
  });

  void it("ENC-08 refuses the key file of the other environment, to open and to change", async () => {
    const file = join(directory, "foreign.json");
    await openLocalKms({ file, random, environment: "test" });
    await assert.rejects(openLocalKms({ file, random, environment: "live" }), KeyFileError);
    await assert.rejects(rotateKeyFile(file, random, { environment: "live", now: 0 }), KeyFileError);
    await openLocalKms({ file, random, environment: "test" });
  });

  void it("is unavailable while its file cannot be read, and serves again afterwards", async () => {
    const file = join(directory, "vanishing.json");
    const kms = await openLocalKms({ file, random });
    const { wrapped } = await kms.generateDataKey(context);
    const { rename } = await import("node:fs/promises");
    await rename(file, `${file}.away`);
    await assert.rejects(kms.decrypt(wrapped, context), KmsUnavailableError);
    await assert.rejects(kms.generateDataKey(context), KmsUnavailableError);
    await rename(`${file}.away`, file);
    await kms.decrypt(wrapped, context);
  });
});

void describe("the AWS engine", () => {
  const open = (keyId: string, environment: "test" | "live" = "test") =>
    openAwsKms({ keyId, environment, endpoint: server.endpoint, region: server.region, credentials, attemptMs: 300 });

  void it("ENC-08 takes no key of the other environment, and for live only a key that says so", async () => {
    const live = server.addKey({ tags: { "smartfinance-environment": "live" } });
    const unmarked = server.addKey();
    const unsuitable = (error: unknown): boolean => error instanceof KmsKeyUnusableError && error.fault === "unsuitable";
    await assert.rejects(open(live, "test"), unsuitable);
    await assert.rejects(open(unmarked, "live"), unsuitable);
    await assert.rejects(open(server.addKey({ usage: "SIGN_VERIFY" })), unsuitable);
    (await open(live, "live")).close();
    (await open(unmarked, "test")).close();
  });

  void it("finds keys by alias, and opens what an earlier key wrapped when told which", async () => {
    const first = server.addKey({ alias: "alias/first" });
    const [one, two] = [await open("alias/first"), await open(server.addKey())];
    const made = await one.generateDataKey(context);
    assert.equal(made.kmsKeyId, first);
    assert.deepEqual(await two.decrypt(made.wrapped, context, made.kmsKeyId), made.plaintext);
    await assert.rejects(two.decrypt(made.wrapped, context), InvalidCiphertextError);
    const moved = await two.reEncrypt?.(made.wrapped, context, made.kmsKeyId);
    assert.ok(moved !== undefined && moved.kmsKeyId !== first);
    assert.deepEqual(await two.decrypt(moved.wrapped, context), made.plaintext);
    one.close();
    two.close();
  });

  void it("says clearly what an operator has to mend", async () => {
    const keyId = server.addKey();
    const kms = await open(keyId);
    const faultOf = async (): Promise<string> =>
      kms.generateDataKey(context).then(
        () => "none",
        (error: unknown) => (error instanceof KmsKeyUnusableError ? error.fault : "other"),
      );
    server.setState(keyId, "Disabled");
    assert.equal(await faultOf(), "disabled");
    server.setState(keyId, "PendingDeletion");
    assert.equal(await faultOf(), "invalid_state");
    await assert.rejects(open(keyId), KmsKeyUnusableError);
    server.setState(keyId, "Enabled");
    assert.equal(await faultOf(), "none");
    try {
      server.fault = () => ({ kind: "error", type: "AccessDeniedException", status: 400 });
      assert.equal(await faultOf(), "access_denied");
    } finally {
      server.fault = () => undefined;
    }
    await assert.rejects(
      open("00000000-0000-0000-0000-000000000000"),
      (error: unknown) => error instanceof KmsKeyUnusableError && error.fault === "not_found",
    );
    kms.close();
  });

  void it("rides out a short fault by itself, and ends a long one within its bounds", async () => {
    const kms = await open(server.addKey());
    const kinds: readonly KmsFault[] = [
      { kind: "error", type: "ThrottlingException", status: 400 },
      { kind: "error", type: "KMSInternalException", status: 500 },
      { kind: "cut" },
      { kind: "silence" },
      { kind: "latency", ms: 20 },
    ];
    try {
      for (const fault of kinds) {
        let times = 1;
        server.fault = () => (times-- > 0 ? fault : undefined);
        assert.equal((await kms.generateDataKey(context)).plaintext.length, 32, fault.kind);
      }
      for (const fault of kinds.slice(0, 4)) {
        let asked = 0;
        server.fault = () => {
          asked += 1;
          return fault;
        };
        await assert.rejects(
          kms.generateDataKey(context),
          (error: unknown) => error instanceof KmsUnavailableError && !(error instanceof KmsKeyUnusableError),
        );
        assert.ok(asked >= 1 && asked <= 3, `${fault.kind}: ${asked} attempts`);
      }
    } finally {
      server.fault = () => undefined;
    }
    kms.close();
  });
});
