import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { T0 } from "#test/support/builders.ts";
import { checkpointText } from "./checkpoint.ts";
import { leafHash, sha256 } from "./hashing.ts";
import { formatNote } from "./note.ts";
import { anyOf, signaturesOf, signerOf } from "./note-keys.ts";
import { append, EMPTY_EDGE, rootOf } from "./tree.ts";
import { verifyExport } from "./verify-export.ts";

const signer = signerOf("bank.example/audit", "signature", sha256("key"));
const newer = signerOf("bank.example/audit", "signature", sha256("newer"));
const padded = (n: number): string => String(n).padStart(16, "0");
const lineOf = (n: number): string => JSON.stringify({ event_id: `evt_${n}` });

/** Checkpoints of a log of such lines. */
function checkpoint(size: number, by = signer, line = lineOf): string {
  const edge = append(
    EMPTY_EDGE,
    Array.from({ length: size }, (_, n) => leafHash(sha256(line(n)))),
  );
  const text = checkpointText({ origin: by.verifier.name, size, root: rootOf(edge) });
  return formatNote({ text, signatures: signaturesOf(by, text, T0) });
}

/** An export as the S3 sink writes it: ranges, and checkpoints at some sizes. */
function exported(ranges: readonly (readonly [number, number])[], sizes: readonly number[]): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (const [from, to] of ranges) {
    const lines = Array.from({ length: to - from }, (_, n) => `${lineOf(from + n)}\n`).join("");
    files.set(`events/${padded(from)}-${padded(to)}.ndjson`, Buffer.from(lines));
  }
  for (const size of sizes) files.set(`checkpoints/${padded(size)}.txt`, Buffer.from(checkpoint(size)));
  return files;
}

const verify = (files: Map<string, Buffer>, more: { since?: string; log?: typeof signer.verifier } = {}) =>
  verifyExport({
    files: { names: [...files.keys()].toReversed(), read: (name) => files.get(name) ?? Buffer.alloc(0) },
    log: signer.verifier,
    ...more,
  });
const whole = (): Map<string, Buffer> =>
  exported(
    [
      [0, 5],
      [5, 12],
      [12, 20],
    ],
    [12, 20],
  );
const wrong = (files: Map<string, Buffer>, pattern: RegExp, more: Parameters<typeof verify>[1] = {}): void => {
  const report = verify(files, more);
  assert.ok(!report.ok);
  assert.match(report.what, pattern);
};

void describe("an exported log", () => {
  void it("is well when every line is a leaf under a signed checkpoint", () => {
    assert.deepEqual({ ...verify(whole()), root: null }, { ok: true, size: 20, uncovered: 0, checkpoints: 2, root: null });
    const ahead = verify(
      exported(
        [
          [0, 12],
          [12, 15],
        ],
        [12],
      ),
    );
    assert.ok(ahead.ok);
    assert.deepEqual([ahead.size, ahead.uncovered], [12, 3]);
  });

  void it("is wrong when any byte of a line or checkpoint was changed", () => {
    for (const name of whole().keys()) {
      const files = whole();
      const bytes = files.get(name) ?? Buffer.alloc(0);
      for (let at = 0; at < bytes.length; at += 7) {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ 0x01;
        files.set(name, changed);
        assert.ok(!verify(files).ok, `${name} at ${at}`);
      }
    }
  });

  void it("is wrong when something is missing, doubled, cut off or beside it", () => {
    const without = (name: string): Map<string, Buffer> => {
      const files = whole();
      assert.ok(files.delete(name));
      return files;
    };
    const events = (from: number, to: number): string => `events/${padded(from)}-${padded(to)}.ndjson`;
    wrong(without(events(0, 5)), /leaves 0 to 4 are missing/);
    wrong(without(events(5, 12)), /leaves 5 to 11 are missing/);
    wrong(without(events(12, 20)), /checkpoint of more leaves than the 12/);
    wrong(whole().set(events(3, 5), Buffer.from(`${lineOf(3)}\n${lineOf(4)}\n`)), /begins again before leaf 5/);
    wrong(whole().set(events(12, 20), Buffer.from(`${lineOf(12)}\n`)), /does not have 8 lines/);
    wrong(whole().set("events/readme.txt", Buffer.from("x")), /is no file of an export/);
    wrong(exported([[0, 5]], []), /there is no checkpoint/);
    wrong(new Map(), /there is no checkpoint/);
  });

  void it("is wrong under another key or name, and well under one of several", () => {
    wrong(whole(), /not to be believed: unsigned/, { log: newer.verifier });
    wrong(whole(), /other_origin/, { log: signerOf("other.example", "signature", sha256("key")).verifier });
    const ring = anyOf([newer.verifier, signer.verifier]);
    assert.ok(ring);
    const files = whole().set(`checkpoints/${padded(20)}.txt`, Buffer.from(checkpoint(20, newer)));
    assert.ok(verify(files, { log: ring }).ok, "the key was rotated between the two checkpoints");
    assert.equal(anyOf([signer.verifier, signerOf("other.example", "signature", sha256("key")).verifier]), undefined);
  });

  void it("has to have grown from the checkpoint of an earlier look", () => {
    assert.ok(verify(whole(), { since: checkpoint(7) }).ok);
    wrong(whole(), /another history/, { since: checkpoint(7, signer, (n) => `${n}`) });
    wrong(whole(), /has 20 leaves, the earlier checkpoint 25/, { since: checkpoint(25) });
    wrong(whole(), /earlier checkpoint is not to be believed/, { since: "x" });
  });
});
