import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { checkpointText, openCheckpoint, parseCheckpointText } from "./checkpoint.ts";
import { EMPTY_ROOT, sha256 } from "./hashing.ts";
import { formatNote, isKeyName, parseNote } from "./note.ts";
import { parseVkey, signerOf, verifyNote } from "./note-keys.ts";
import { formatProof, parseProof } from "./proof-text.ts";
import { formatBundle, formatTilePath, parseBundle, parseTilePath, tileOf, widthOf } from "./tiles.ts";

const seed = (n: number): Buffer => sha256(`seed ${n}`);
const log = signerOf("example.com/log", "signature", seed(1));
const witness = signerOf("witness.example/w1", "cosignature", seed(2));
const T0 = 1_700_000_000_123;

/** The example of golang.org/x/mod/sumdb/note, whose key pair is public. */
const GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_SEED = Buffer.from("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz", "base64").subarray(1);
const GO_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const GO_NOTE = `${GO_TEXT}\n\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n`;

void describe("signed notes (AUD-04)", () => {
  void it("makes and verifies the published Go note", () => {
    const verifier = parseVkey(GO_VKEY);
    assert.ok(verifier);
    assert.equal(signerOf("PeterNeumann", "signature", GO_SEED).verifier.vkey, GO_VKEY);
    assert.equal(formatNote({ text: GO_TEXT, signatures: [signerOf("PeterNeumann", "signature", GO_SEED).sign(GO_TEXT, T0)] }), GO_NOTE);
    const note = parseNote(GO_NOTE);
    assert.ok(note);
    assert.equal(verifyNote(note, [verifier])?.length, 1);
    assert.equal(verifyNote({ ...note, text: `${GO_TEXT} ` }, [verifier]), undefined);
  });

  void it("reads the key of a public log, and no key with another id", () => {
    assert.ok(parseVkey("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"));
    assert.equal(parseVkey("sum.golang.org+033de0af+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"), undefined);
    for (const text of ["", "a+b", `${GO_VKEY}=`, GO_VKEY.replace("Peter", "P eter"), GO_VKEY.slice(0, -4)])
      assert.equal(parseVkey(text), undefined);
  });

  void it("reads the C2SP example of a checkpoint with its signatures", () => {
    const example =
      "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n" +
      "\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n" +
      "\u2014 witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";
    const note = parseNote(example);
    assert.ok(note);
    assert.equal(formatNote(note), example);
    const head = parseCheckpointText(note.text);
    assert.ok(head);
    assert.equal(head.size, 20852163);
    assert.equal(checkpointText(head), note.text);
    assert.deepEqual(
      note.signatures.map(({ keyId }) => keyId),
      ["033de0ae", "8d66cf3f"],
    );
  });

  void it("reads nothing that it would not write", () => {
    const good = formatNote({ text: "a\nb\n", signatures: [log.sign("a\nb\n", T0)] });
    assert.ok(parseNote(good));
    for (const bad of [
      "",
      "\n\n",
      good.slice(0, -1),
      `${good}\n`,
      good.replace("\u2014", "-"),
      good.replace("a\n", "a\r\n"),
      good.replace("a\n", "a\t\n"),
      good.replace("a\n", "\ud800\n"),
      good.replace("=\n", "\n"),
      good.replace(" example", "  example"),
      `${good}\u2014 x AAAA\n`,
      `${good}\u2014 x+y AAAAAAA=\n`,
      `a\n\n${good.slice(5).repeat(70)}`,
    ])
      assert.equal(parseNote(bad), undefined, JSON.stringify(bad));
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.nat(), (junk, at) => {
        const text = good.slice(0, at % good.length) + junk + good.slice(at % good.length);
        const note = parseNote(text);
        if (note !== undefined) assert.equal(formatNote(note), text);
      }),
    );
  });

  void it("names keys without spaces and plus signs", () => {
    for (const name of ["a", "example.com/log", "wörld"]) assert.ok(isKeyName(name));
    for (const name of ["", "a b", "a+b", "a\u00a0b", "a\u2003b", "a\nb", "a\u0000", "x".repeat(256)]) assert.ok(!isKeyName(name));
  });
});

void describe("checkpoints (AUD-04, AUD-12)", () => {
  const head = { origin: "example.com/log", size: 7, root: sha256("root") };
  const text = checkpointText(head);
  const signed = (...lines: ReturnType<typeof log.sign>[]): string => formatNote({ text, signatures: lines });

  void it("believes the log's key only", () => {
    const opened = openCheckpoint(signed(log.sign(text, T0)), log.verifier);
    assert.ok(opened.ok);
    assert.deepEqual([opened.checkpoint.size, opened.checkpoint.root], [7, head.root]);
    const fault = (note: string, key = log.verifier): string => {
      const result = openCheckpoint(note, key);
      return result.ok ? "none" : result.fault;
    };
    const other = signerOf("example.com/log", "signature", seed(3));
    assert.equal(fault(signed(other.sign(text, T0))), "unsigned");
    assert.equal(fault(signed({ ...other.sign(text, T0), keyId: log.verifier.keyId })), "bad_signature");
    assert.equal(fault(signed(log.sign(text, T0)), signerOf("other", "signature", seed(1)).verifier), "other_origin");
    assert.equal(fault(signed(log.sign(text, T0)).replace("\n7\n", "\n8\n")), "bad_signature");
    assert.equal(fault(signed(log.sign(text, T0)).replace("\n7\n", "\n07\n")), "malformed");
  });

  void it("AUD-06 demands the witnesses it is told of, and tells when they saw it", () => {
    const both = signed(log.sign(text, T0), witness.sign(text, T0));
    const opened = openCheckpoint(both, log.verifier, [witness.verifier]);
    assert.ok(opened.ok);
    assert.deepEqual(
      opened.checkpoint.witnesses.map(({ time }) => time),
      [1_700_000_000],
    );
    assert.deepEqual(openCheckpoint(signed(log.sign(text, T0)), log.verifier, [witness.verifier]), { ok: false, fault: "witness_missing" });
    const line = witness.sign(text, T0);
    const later = Buffer.from(line.signature);
    later.writeBigUInt64BE(1_800_000_000n);
    const forged = signed(log.sign(text, T0), { ...line, signature: later });
    assert.deepEqual(openCheckpoint(forged, log.verifier, [witness.verifier]), { ok: false, fault: "bad_signature" });
  });

  void it("reads the text of a checkpoint strictly", () => {
    for (const bad of ["", "a\n1\n", "\n1\nAAAA\n", text.slice(0, -1), text.replace("=", ""), `${text}\n`, text.replace("7", "-7")])
      assert.equal(parseCheckpointText(bad), undefined);
    assert.ok(parseCheckpointText(`${text}extension\n`));
  });
});

void describe("proof texts (AUD-05)", () => {
  void it("come back as they were written, and nothing else is read", () => {
    fc.assert(
      fc.property(fc.option(fc.uint8Array({ minLength: 1 }), { nil: undefined }), fc.nat(), fc.nat(20), (extra, index, count) => {
        const hashes = Array.from({ length: count }, (_, n) => sha256(String(n)));
        const proof = { ...(extra === undefined ? {} : { extra: Buffer.from(extra) }), index, hashes, checkpoint: "note\n" };
        assert.deepEqual(parseProof(formatProof(proof)), proof);
      }),
    );
    const good = formatProof({ index: 3, hashes: [EMPTY_ROOT], checkpoint: "note\n" });
    for (const bad of [
      "",
      good.replace("@v1", "@v2"),
      good.replace("index 3", "index 03"),
      good.replace("=\n", "\n"),
      good.replace("\n\n", "\n"),
    ])
      assert.equal(parseProof(bad), undefined);
  });
});

void describe("tiles", () => {
  void it("are named as C2SP tlog-tiles says", () => {
    assert.equal(formatTilePath({ level: 0, index: 1234067, width: 256 }), "0/x001/x234/067");
    assert.equal(formatTilePath({ level: "entries", index: 273, width: 112 }), "entries/273.p/112");
    fc.assert(
      fc.property(fc.nat(63), fc.nat(2 ** 31 - 1), fc.integer({ min: 1, max: 256 }), (level, index, width) => {
        assert.deepEqual(parseTilePath(formatTilePath({ level, index, width })), { level, index, width });
      }),
    );
    for (const bad of [
      "0",
      "64/000",
      "0/0",
      "00/000",
      "0/x000/001",
      "0/000.p/0",
      "0/000.p/256",
      "0/000.p/07",
      "0/1000",
      "0/x001",
      "0/001/",
      "a/000",
    ])
      assert.equal(parseTilePath(bad), undefined, bad);
  });

  void it("are as wide as the example of a tree of 70,000 says", () => {
    assert.deepEqual([widthOf(0, 272, 70_000), widthOf(0, 273, 70_000), widthOf(0, 274, 70_000)], [256, 112, 0]);
    assert.deepEqual([widthOf(1, 0, 70_000), widthOf(1, 1, 70_000), widthOf(2, 0, 70_000), widthOf(3, 0, 70_000)], [256, 17, 1, 0]);
    assert.deepEqual([widthOf(0, 0, 256), widthOf(1, 0, 256)], [256, 1]);
  });

  void it("hold every perfect subtree at one place", () => {
    assert.deepEqual(tileOf({ height: 0, index: 300 }), { level: 0, index: 1, from: 44, count: 1 });
    assert.deepEqual(tileOf({ height: 7, index: 3 }), { level: 0, index: 1, from: 128, count: 128 });
    assert.deepEqual(tileOf({ height: 9, index: 1 }), { level: 1, index: 0, from: 2, count: 2 });
  });

  void it("bundle entries behind their lengths", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 700 })), (entries) => {
        const buffers = entries.map((entry) => Buffer.from(entry));
        assert.deepEqual(parseBundle(formatBundle(buffers)), buffers);
      }),
    );
    assert.equal(parseBundle(Buffer.of(0)), undefined);
    assert.equal(parseBundle(Buffer.of(0, 2, 1)), undefined);
  });
});
