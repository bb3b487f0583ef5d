import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { actorOf, newId, T0 } from "#test/support/builders.ts";
import { buildEvent, checksumOf, presentEvent } from "#audit/index.ts";
import type { JsonObject } from "#kernel/json.ts";
import { toBase64 } from "./base64.ts";
import { checkpointText } from "./checkpoint.ts";
import { EMPTY_ROOT, leafHash, sha256 } from "./hashing.ts";
import { entryOf, erasedOpening } from "./leaf.ts";
import { formatNote } from "./note.ts";
import { signerOf } from "./note-keys.ts";
import { formatProof } from "./proof-text.ts";
import { verifyReceipt } from "./verify-receipt.ts";
import { verifyRemote } from "./verify-remote.ts";

const log = signerOf("example.com/log", "signature", sha256("key"));
const { item } = buildEvent({ id: newId("event"), type: "review.approved", objectId: "rev_1" }, actorOf(), T0);
const salt = sha256("salt").subarray(0, 16);
const noteOf = (size: number, root: Buffer): string => {
  const text = checkpointText({ origin: "example.com/log", size, root });
  return formatNote({ text, signatures: [log.sign(text, T0)] });
};
/** The proof that the event is the one leaf there is. */
const proofWith = (opening: Buffer): JsonObject => ({
  index: 0,
  tree_size: 1,
  opening: toBase64(opening),
  hashes: [],
  checkpoint: noteOf(1, leafHash(entryOf(item, salt))),
});

void describe("AUD-05 a receipt says nothing that its leaf does not say", () => {
  const shown = presentEvent(item);
  const withChecksum = (event: JsonObject): JsonObject => {
    const { id: _id, object: _object, ...members } = event;
    return { ...event, checksum: checksumOf(members) };
  };
  const what = (event: JsonObject, opening = salt): string => {
    const report = verifyReceipt({ ...event, proof: proofWith(opening) }, undefined, log.verifier);
    return report.ok ? "OK" : report.what;
  };

  void it("believes the event as it is, and with its address erased or left out", () => {
    assert.equal(what(shown), "OK");
    assert.equal(what(withChecksum({ ...shown, ip_address: null, user_agent: null }), erasedOpening(item, salt)), "OK");
    const { ip_address: _ip, user_agent: _agent, checksum: _checksum, ...bare } = shown;
    assert.equal(what(bare, erasedOpening(item, salt)), "OK");
  });

  void it("believes no address that the opening does not open", () => {
    for (const forged of [{ ip_address: "198.51.100.66" }, { user_agent: "framed" }])
      assert.match(what(withChecksum({ ...shown, ip_address: null, user_agent: null, ...forged }), erasedOpening(item, salt)), /malformed/);
  });

  void it("believes no other id, checksum or members", () => {
    assert.match(what({ ...shown, id: newId("event") }), /another id/);
    assert.match(what({ ...shown, object: "statement" }), /something else/);
    assert.match(what({ ...shown, checksum: "0".repeat(64) }), /checksum/);
    const { checksum: _checksum, id: _id, ...core } = shown;
    for (const more of ['{"statement":"ordered"}', '{"partition":"x"}', '{"__proto__":{"amount":1}}'])
      assert.match(what({ ...core, ...(JSON.parse(more) as JsonObject) }), /members/);
    const entries = [{ account_id: "acc_a", note: "one in the place of another" }];
    assert.notEqual(what({ ...core, entries }), "OK");
  });

  void it("believes nothing that its proof says beside what proves it, also where the proof's text lies beside the event", () => {
    const proof = proofWith(salt);
    const text = formatProof({ extra: salt, index: 0, hashes: [], checkpoint: String(proof.checkpoint) });
    const of = (said: JsonObject | null, beside?: string): string => {
      const report = verifyReceipt({ ...shown, proof: said }, beside, log.verifier);
      return report.ok ? "OK" : report.what;
    };
    const whole = { ...proof, leaf_hash: toBase64(leafHash(entryOf(item, salt))) };
    for (const beside of [undefined, text]) {
      assert.equal(of(whole, beside), "OK");
      for (const forged of [{ tree_size: 4711 }, { leaf_hash: toBase64(sha256("another")) }, { note: "ordered by the chairman" }])
        assert.match(of({ ...whole, ...forged }, beside), /is not so/);
      assert.match(of({ ...whole, index: 1 }, beside), /at this place/);
    }
    assert.equal(of(null, text), "OK");
  });
});

void describe("AUD-05 a running server that gives no proof", () => {
  const lookAt = async (event: JsonObject, now: number) => {
    const bodies = (path: string): string => {
      if (path.includes("checkpoint")) return noteOf(0, EMPTY_ROOT);
      return path.includes("events?") ? JSON.stringify({ data: [{ id: event.id }], next_cursor: null }) : JSON.stringify(event);
    };
    const get = (path: string) => Promise.resolve({ status: 200, body: Buffer.from(bodies(path)) });
    const report = await verifyRemote({ get, log: log.verifier, clock: { now: () => now } });
    return report.ok ? "OK" : report.what;
  };

  void it("is believed for a minute, and never for a wrong checksum", async () => {
    const at = T0;
    const made = presentEvent(buildEvent({ id: newId("event"), type: "review.approved", objectId: "rev_1" }, actorOf(), at).item);
    const waiting = { ...made, proof: null };
    assert.equal(await lookAt(waiting, at + 1_000), "OK");
    assert.match(await lookAt(waiting, at + 61_000), /still has no proof/);
    assert.match(await lookAt(waiting, at - 3_600_000), /still has no proof/, "an event of the future is none that waits");
    assert.match(await lookAt({ ...waiting, checksum: "x" }, at + 1_000), /does not have its checksum/);
    const later = at + 3_600_000;
    const dated = presentEvent(buildEvent({ id: newId("event"), type: "review.approved", objectId: "r" }, actorOf(), later).item);
    assert.match(await lookAt({ ...dated, proof: null }, later), /still has no proof/, "its id is as old as it is");
  });
});
