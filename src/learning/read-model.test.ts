import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { gzipSync } from "node:zlib";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { ORG } from "#test/support/builders.ts";
import { FEATURES_HASH } from "#features/index.ts";
import type { RiskModelId } from "#kernel/ids.ts";
import { createScorer, modelText } from "#model/index.ts";
import type { Model } from "#model/index.ts";
import { BrokenContentError, packContent, piecesOf, pieces, readContent, unpack } from "./content.ts";
import { FEATURES_HASH_OPTION, mapFeatures, MODEL_FEATURES } from "./map-features.ts";
import { MODELS_TABLE, readModel, riskModels } from "./model-record.ts";
import { readInWorker } from "./read-in-worker.ts";
import { readModelText } from "./read-model.ts";
import { bench, stump, vectorOf } from "./test-kit.ts";
import { createTurns } from "./turns.ts";

const ID = "mdl_test" as RiskModelId;
const OTHER = "payer_count_24h";

/** Splits on two features, of which the second comes first in the product's order. */
function twoTrees(): Model {
  const [one] = stump("first").trees;
  assert.ok(one);
  return {
    ...stump("first"),
    features: [
      { name: "first", unit: "imported" },
      { name: "unread", unit: "imported" },
      { name: OTHER, unit: "payments" },
    ],
    trees: [one, { ...one, feature: Int32Array.of(2, -1, -1) }],
  };
}

function refusalOf(model: Model, mapping: Readonly<Record<string, string>> = {}): string {
  const mapped = mapFeatures(model, mapping);
  assert.ok(!mapped.ok && mapped.code === "invalid_request");
  return `${mapped.param}: ${mapped.detail}`;
}

describe("a model from outside", () => {
  it("scores over the product's vector as it scored over its own", () => {
    const model = twoTrees();
    const mapped = mapFeatures(model, { first: "amount" });
    assert.ok(mapped.ok);
    assert.deepEqual(mapped.value.features, MODEL_FEATURES);
    assert.equal(mapped.value.training.options[FEATURES_HASH_OPTION], FEATURES_HASH);
    const [before, after] = [createScorer(model), createScorer(mapped.value)];
    const place = MODEL_FEATURES.findIndex(({ name }) => name === OTHER);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 20 }), (amount, other) => {
        const vector = vectorOf(amount);
        vector[place] = other;
        assert.equal(after.margin(vector), before.margin(Float64Array.of(amount, 7, other)));
      }),
    );
  });

  it("is refused when it reads what the product does not compute, or reads it otherwise", () => {
    assert.match(refusalOf(twoTrees()), /^features: There is no feature first; map first/);
    assert.match(refusalOf(twoTrees(), { first: "nothing" }), /^features: There is no feature nothing/);
    assert.match(refusalOf(twoTrees(), { first: OTHER }), /^features: Two features .* payer_count_24h/);
    assert.match(refusalOf(twoTrees(), { first: "amount", unread: "amount" }), /^features: Two features/);
    assert.match(refusalOf(twoTrees(), { first: "amount", third: "hour" }), /^features: The model has no feature third/);
    assert.match(refusalOf(twoTrees(), { first: "amount", constructor: "hour" }), /no feature constructor/);
    assert.match(
      refusalOf(stump("amount", { features: [{ name: "amount", unit: "eur" }] })),
      /^features: amount is in reference cents here, not in eur/,
    );
    const training = { ...stump("amount").training, options: { [FEATURES_HASH_OPTION]: "00" } };
    assert.match(refusalOf(stump("amount", { training })), /^content: .*other features/);
  });

  it("gives a canonical text that is read again, also in a thread, and whose hash is the content's", async () => {
    const job = { kind: "smartfinance", text: modelText(stump("amount")).text, features: {} } as const;
    const made = readModelText(job);
    assert.ok(made.ok);
    const again = readModelText({ ...job, text: made.text });
    assert.ok(again.ok && again.hash === made.hash, "reading what was written changes nothing");
    const inThread = await readInWorker(job);
    assert.ok(inThread.ok);
    assert.deepEqual([inThread.hash, inThread.text, inThread.card], [made.hash, made.text, made.card]);
    assert.equal(createScorer(inThread.model).margin(vectorOf(11)), 2);
    const kept = readModelText({ kind: "kept", text: made.text.replace('"base":0', '"base":1') });
    assert.ok(!kept.ok, "a change of the content shows in its hash");
  });

  it("is refused from the thread as from here, whatever it is", async () => {
    for (const text of ["", "null", "[]", '{"format":"smartfinance-trees-1"}', `${"[".repeat(200_000)}`]) {
      const job = { kind: "smartfinance", text, features: {} } as const;
      assert.deepEqual(await readInWorker(job), readModelText(job));
    }
  });

  it("is neither good nor bad where there is no thread to read it in", async () => {
    // A process that may begin none stands for a machine that has none left.
    const url = new URL("./read-in-worker.ts", import.meta.url).href;
    const text = `const { readInWorker } = await import(${JSON.stringify(url)});
      console.log((await readInWorker({ kind: "kept", text: "{}" })).code);`;
    const run = promisify(execFile);
    const { stdout } = await run(process.execPath, ["--permission", "--allow-fs-read=*", "--input-type=module", "-e", text]);
    assert.equal(stdout.trim(), "overloaded");
  });
});

describe("contents", () => {
  it("come back from their pieces, and are refused when they are too large to be kept", async () => {
    const { quiet, bring } = bench();
    // Random digits pack badly: some 420 KB, in more than one piece.
    let state = 1;
    const digits = Array.from({ length: 100_000 }, () => {
      state = (state * 48_271) % 2_147_483_647;
      return state;
    }).join(",");
    const packed = await packContent(digits);
    assert.ok(packed !== undefined && packed.length > 1);
    const items = piecesOf(ID, packed).map((piece) => pieces.toItem(piece));
    for (const item of items) await quiet.store.commit([{ op: "put", table: MODELS_TABLE, item, condition: "absent" }]);
    assert.equal(await readContent(quiet.store, ID, packed.length), digits);
    await assert.rejects(readContent(quiet.store, ID, packed.length + 1), BrokenContentError);
    await assert.rejects(readContent(quiet.store, ID, packed.length - 1), BrokenContentError);
    assert.equal(
      await packContent(digits.repeat(1) + Array.from({ length: 12 }, (_, n) => digits.replaceAll("1", String(n))).join("")),
      undefined,
    );
    // The record and its pieces are in one table, and only the record is a model.
    const id = await bring(stump("amount"));
    const model = await readModel(quiet.store, ORG, id);
    assert.ok(model);
    assert.deepEqual(riskModels.fromItem(riskModels.toItem(model)), model);
    assert.equal(await readModel(quiet.store, ORG, `${id}#0`), undefined);
  });

  it("are not unpacked beyond their bound", async () => {
    await assert.rejects(unpack(gzipSync(Buffer.alloc(33 * 1024 * 1024))));
    assert.equal((await unpack(gzipSync("a".repeat(1_000)))).length, 1_000);
  });
});

describe("turns", () => {
  it("come one after the other, failures included, and are refused when too many wait", async () => {
    const turns = createTurns(1);
    const log: string[] = [];
    const work =
      (name: string, fails = false) =>
      async (): Promise<string> => {
        log.push(`${name} begins`);
        await sleep(2);
        log.push(`${name} ends`);
        if (fails) throw new Error(name);
        return name;
      };
    const first = assert.rejects(turns.take(work("one", true)), /one/);
    const second = turns.take(work("two"));
    const third = await turns.take(work("three"));
    assert.ok(!third.ok && third.code === "overloaded");
    await first;
    assert.deepEqual(await second, { ok: true, value: "two" });
    assert.deepEqual(await turns.take(work("four")), { ok: true, value: "four" });
    assert.deepEqual(log, ["one begins", "one ends", "two begins", "two ends", "four begins", "four ends"]);
  });
});
