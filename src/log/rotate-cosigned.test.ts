import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { actorOf, newId, T0, testIds } from "#test/support/builders.ts";
import { buildEvent, presentEvent } from "#audit/index.ts";
import { systemRandom } from "#kernel/random.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import type { Outbound } from "#outbound/index.ts";
import type { Store } from "#storage/index.ts";
import type { Kms } from "#vault/index.ts";
import { openLocalKms } from "#vault/index.ts";
import { createWitnessAsker } from "./ask-witnesses.ts";
import { checkpointText, openCheckpoint } from "./checkpoint.ts";
import { cosignedWrite, keepCosigned, readCosigned } from "./cosigned.ts";
import { sha256 } from "./hashing.ts";
import { openLogKey } from "./log-key.ts";
import { createLogReader } from "./log-reader.ts";
import { formatNote, parseNote, signatureLine } from "./note.ts";
import { signerOf } from "./note-keys.ts";
import { rotateLogKey } from "./rotate-key.ts";
import { LOG_TABLE } from "./rows.ts";
import { createSealer } from "./sealer.ts";
import { shownProof } from "./shown-proof.ts";
import { verifyReceipt } from "./verify-receipt.ts";
import { verifyStore } from "./verify-store.ts";

const random = systemRandom();
const DAY = 24 * 60 * 60 * 1000;
const witness = signerOf("witness.example/w1", "cosignature", sha256("w1"));

void describe("a checkpoint that a witness cosigned before the log's key was rotated", () => {
  let folder = "";
  let kms: Kms;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "smartfinance-cosigned-"));
    kms = await openLocalKms({ file: join(folder, "kms.json"), random });
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** A log of which a witness has cosigned the first `cosigned` leaves, and which has grown since. */
  const scene = async () => {
    const store = openMemoryStore(createMemoryDatabase());
    const clock = { now: () => T0, sleep: () => Promise.resolve() };
    const deps = { store, kms, clock, random, environment: "test" as const, ids: testIds(5) };
    const reader = createLogReader(store);
    const tell = async () => {
      const { item } = buildEvent({ id: newId("event"), type: "deposit.posted", objectId: "txn" }, actorOf(), T0);
      await store.commit([{ op: "put", table: "smartfinance-audit-logs", item, condition: "absent" }]);
      return item;
    };
    const seal = async (): Promise<void> => {
      await createSealer({ store, clock, random, signer: await openLogKey(deps) }).step();
    };
    await openLogKey(deps);
    const first = await tell();
    for (let n = 0; n < 300; n++) await tell();
    await seal();
    const newest = await reader.checkpoint();
    const note = parseNote(newest?.text ?? "");
    assert.ok(newest !== undefined && note !== undefined);
    await keepCosigned(store, newest.size, formatNote({ text: note.text, signatures: [...note.signatures, witness.sign(note.text, T0)] }));
    await tell();
    await seal();
    const receipt = async () => {
      const proof = await reader.proof(String(first.event_id));
      assert.ok(proof);
      return { ...presentEvent(first), proof: shownProof(proof) };
    };
    return { store, deps, reader, seal, receipt };
  };

  for (const overlap of [0, DAY])
    void it(`is believed with the new key alone, with its cosignature (overlap ${overlap} ms)`, async () => {
      const { store, deps, seal, receipt } = await scene();
      const { verifier: log } = await rotateLogKey(deps, overlap);
      await seal();
      // The witness has not been told the new key, or is there no more.
      const report = await verifyStore({ store, log, witnesses: [witness.verifier] });
      assert.ok(report.ok, JSON.stringify(report));
      assert.deepEqual(report.cosigned, [{ witness: witness.verifier.name, size: 301 }]);
      const shown = verifyReceipt(await receipt(), undefined, log, [witness.verifier]);
      assert.ok(shown.ok, JSON.stringify(shown));
    });

  void it("is not signed anew where the log does not begin with it", async () => {
    const { store, deps } = await scene();
    const old = await openLogKey(deps);
    const text = checkpointText({ origin: old.verifier.name, size: 200, root: sha256("another history") });
    const forged = formatNote({ text, signatures: [old.sign(text, T0), witness.sign(text, T0)] });
    const kept = await readCosigned(store);
    assert.ok(kept !== undefined);
    const by = kept.by.map((one) => ({ ...one, size: 200, checkpoint: forged }));
    await store.commit([cosignedWrite({ size: 200, checkpoint: forged, by, version: kept.version + 1 })]);
    const { verifier: log } = await rotateLogKey(deps, 0);
    assert.equal((await readCosigned(store))?.checkpoint, forged);
    const report = await verifyStore({ store, log });
    assert.ok(!report.ok);
    assert.match(report.what, /checkpoint of the witnesses is not to be believed/);
  });

  void it("is not signed anew where it says more than size and root, which whoever has a key of before may have written", async () => {
    const { store, deps } = await scene();
    const old = await openLogKey(deps);
    const kept = await readCosigned(store);
    assert.ok(kept !== undefined);
    const text = `${parseNote(kept.checkpoint)?.text ?? ""}and whatever somebody else wants signed\n`;
    const forged = formatNote({ text, signatures: [old.sign(text, T0), witness.sign(text, T0)] });
    await store.commit([cosignedWrite({ ...kept, checkpoint: forged, version: kept.version + 1 })]);
    await rotateLogKey(deps, 0);
    assert.equal((await readCosigned(store))?.checkpoint, forged);
  });

  for (const what of ["shorter than they were", "no JSON any more"])
    void it(`does not keep a key from being replaced where rows of the log are ${what}`, async () => {
      const { store, deps } = await scene();
      const row = { id: "tile/1/0", hashes: "AAAA" };
      await store.commit([{ op: "put", table: LOG_TABLE, item: row, condition: "none" }]);
      const damaged: Store = {
        ...store,
        getMany: (refs) =>
          refs.some(({ key }) => key.hash === row.id) ? Promise.reject(new SyntaxError("Unexpected token")) : store.getMany(refs),
      };
      const { verifier } = await rotateLogKey({ ...deps, store: what.startsWith("no JSON") ? damaged : store }, 0);
      assert.equal((await openLogKey(deps)).verifier.vkey, verifier.vkey);
    });

  for (const first of [true, false])
    void it(`is not kept with the former key's signature alone where it comes from a witness ${first ? "before" : "behind"} the commit of the rotation`, async () => {
      const { store, deps, reader, seal, receipt } = await scene();
      if (first) await store.commit([{ op: "delete", table: LOG_TABLE, key: { hash: "cosigned" }, condition: "none" }]);
      let rotating: (() => Promise<unknown>) | undefined;
      const outbound = {
        async request({ body }: { readonly body: string }) {
          const note = parseNote(body.slice(body.indexOf("\n\n") + 2));
          assert.ok(note);
          await rotating?.();
          return { ok: true, status: 200, body: Buffer.from(signatureLine(witness.sign(note.text, T0)), "utf8") };
        },
      } as unknown as Outbound;
      const asker = (over: Store) =>
        createWitnessAsker({
          store: over,
          reader,
          outbound,
          clock: deps.clock,
          witnesses: [{ verifier: witness.verifier, url: "https://w1.example" }],
          onError: (error) => assert.fail(error),
        });
      let log = (await openLogKey(deps)).verifier;
      if (first) {
        // The witness's answer is kept between what the rotation reads and what it writes.
        let raced = false;
        const racing: Store = {
          ...store,
          async commit(writes) {
            if (!raced) await asker(store).ask();
            raced = true;
            return store.commit(writes);
          },
        };
        ({ verifier: log } = await rotateLogKey({ ...deps, store: racing }, 0));
      } else {
        rotating = async () => {
          rotating = undefined;
          ({ verifier: log } = await rotateLogKey(deps, 0));
        };
        await asker(store).ask();
      }
      const kept = await reader.checkpoint(true);
      assert.ok(kept);
      assert.ok(openCheckpoint(kept.text, log, [witness.verifier]).ok);
      await seal();
      assert.ok(verifyReceipt(await receipt(), undefined, log, [witness.verifier]).ok);
      // What was not kept is asked for again.
      await asker(store).ask();
      const newest = await reader.checkpoint();
      assert.equal((await reader.checkpoint(true))?.size, newest?.size);
    });
});
