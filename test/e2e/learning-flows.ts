import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import type { OrganisationId } from "#kernel/ids.ts";
import type { Organisation, TestApp } from "../support/app.ts";
import type { ApiObject, Client } from "../support/http-client.ts";
import { freshKey, ok, refused } from "../support/http-client.ts";
import { eventsAfter, newestEvent } from "./audit-trail.ts";
import { colleague, DAY_MS, goodModel, importOwn, makeTown, payAndLabel, xgboostModel } from "./learning-scene.ts";
import type { Stage } from "./stage.ts";
import { everyPage } from "./stage.ts";

const MODELS = "/v1/risk/models";
const typesOf = (events: readonly ApiObject[]) =>
  events.map((event) => String(event["event_type"])).filter((type) => /^(risk_model|model_training)/.test(type));
const inForce = async ({ app }: TestApp, { id }: Organisation) => {
  const { champion, shadow } = await app.models.of(id as OrganisationId);
  return [champion?.id, shadow?.id];
};
/** No payment waits for a model in the shadow: it joins once it is read. */
const untilShadow = async (app: TestApp, own: Organisation, id: unknown): Promise<void> => {
  for (let n = 0; n < 1_000 && (await inForce(app, own))[1] !== id; n++) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(await inForce(app, own), [undefined, id]);
};
const stateOf = async (api: Client, id: string) => ok(await api.get(`${MODELS}/${id}`), 200)["state"];
const averagePrecisionOf = (quality: unknown) => Number((quality as ApiObject)["average_precision"]);
const MODEST = { rounds: 20, learning_rate: 0.3, max_depth: 3 };

/** Fraud models, their trainings, and what becomes of them, on any store. */
export function learningFlows(stage: Stage): void {
  describe("fraud models", () => {
    it("are trained from labels, run in the shadow, promoted on later payments by somebody else, and gone back from", async () => {
      const { app } = stage;
      const own = await app.newOrganisation();
      const { api } = own;
      const second = await colleague(own);
      const town = await makeTown(own);
      await payAndLabel(own, town, { honest: 130, frauds: 30 });
      app.clock.advance(DAY_MS / 2);
      await payAndLabel(own, town, { honest: 130, frauds: 30 });
      app.clock.advance(2 * DAY_MS);

      const seen = await newestEvent(api);
      const started = ok(await api.post(`${MODELS}/train`, { label_delay_days: 1, description: "First", options: MODEST }), 202);
      assert.deepEqual([started.status, started["rows"], started["created_by"]], ["running", 0, own.apiKeyId]);
      refused(await second.post(`${MODELS}/train`, {}), "training_running");
      await app.app.trainings.work();
      const trained = ok(await api.get(`/v1/risk/model-trainings/${started.id}`), 200);
      assert.deepEqual(
        [trained.status, trained["reason"], trained["rows"], trained["frauds"], trained["attempts"]],
        ["completed", null, 320, 60, 1],
      );
      const id = String(trained["model_id"]);
      const model = ok(await api.get(`${MODELS}/${id}`), 200);
      assert.deepEqual(
        [
          model["state"],
          model["origin"],
          model["number"],
          model["unusable"],
          model["training_id"],
          model["judged_from"],
          model["created_by"],
        ],
        ["candidate", "trained", 1, false, started.id, started["to"], own.apiKeyId],
      );
      const card = model["card"] as Record<string, unknown>;
      assert.deepEqual([card["rows"], card["frauds"]], [320, 60]);
      assert.equal((card["features"] as readonly ApiObject[])[0]?.["name"], "amount");

      refused(await api.post(`${MODELS}/${id}/promote`), "second_person_required");
      refused(await second.post(`${MODELS}/${id}/promote`), "not_enough_evidence");
      ok(await api.post(`${MODELS}/${id}/shadow`), 200);
      refused(await api.post(`${MODELS}/${id}/shadow`), "model_in_shadow");
      await untilShadow(app, own, id);
      // Worse than chance, and judged on the same payments.
      const bad = await importOwn(api, goodModel(false));

      const later = await payAndLabel(own, town, { honest: 90, frauds: 25 });
      const shadowed = ok(await api.get(`/v1/risk/assessments/${later.frauds[0]}`), 200);
      assert.deepEqual([shadowed["model"], (shadowed["shadow"] as ApiObject)["model"]], ["factors-1", id]);
      refused(await second.post(`${MODELS}/${id}/promote`), "not_enough_evidence");
      app.clock.advance(2 * DAY_MS);

      const worse = refused(await second.post(`${MODELS}/${bad.id}/promote`), "model_not_better");
      assert.match(
        String(worse["detail"]),
        /^On 115 payments, 25 of them fraud: average precision 0\.\d{4}, card precision .*what decides now: /,
      );
      const idempotencyKey = freshKey();
      const answer = await second.post(`${MODELS}/${id}/promote`, { review_capacity_per_day: 4 }, { idempotencyKey });
      const promoted = ok(answer, 200);
      const { frauds, payments, against, model: found, in_force: rival } = promoted["evaluation"] as Record<string, unknown>;
      assert.deepEqual([promoted["state"], frauds, payments, against], ["champion", 25, 115, null]);
      assert.ok(averagePrecisionOf(found) > averagePrecisionOf(rival), answer.text);
      assert.equal((await second.post(`${MODELS}/${id}/promote`, { review_capacity_per_day: 4 }, { idempotencyKey })).text, answer.text);
      refused(await second.post(`${MODELS}/${id}/promote`), "model_in_force");
      refused(await api.post(`${MODELS}/${id}/shadow`), "model_in_force");
      refused(await api.post(`${MODELS}/${id}/retire`), "model_in_force");
      assert.deepEqual(await inForce(app, own), [id, undefined]);

      const after = await payAndLabel(own, town, { honest: 2, frauds: 1 });
      const decided = ok(await api.get(`/v1/risk/assessments/${after.frauds[0]}`), 200);
      assert.deepEqual([decided["model"], decided["matches"]], [id, true]);
      assert.ok(Number(decided["risk_score"]) > 0.5);
      assert.equal(((decided["champion"] as ApiObject)["contributions"] as readonly ApiObject[])[0]?.["feature"], "amount");

      const back = ok(await api.post(`${MODELS}/rollback`), 200);
      assert.deepEqual([back["former_champion_id"], back["champion_id"], back["former_left"]], [id, null, 0]);
      refused(await api.post(`${MODELS}/rollback`), "no_former_model");
      assert.deepEqual(await inForce(app, own), [undefined, undefined]);
      assert.equal(await stateOf(api, id), "retired");

      const events = await eventsAfter(api, seen);
      assert.deepEqual(typesOf(events), [
        "model_training.started",
        "model_training.completed",
        "risk_model.shadowed",
        "risk_model.imported",
        "risk_model.promoted",
        "risk_model.rolled_back",
      ]);
      const told = events.find((event) => event["event_type"] === "risk_model.promoted");
      assert.ok(told);
      assert.deepEqual((told["details"] as ApiObject)["evaluation"], promoted["evaluation"]);
      assert.deepEqual(
        (await everyPage(api, MODELS, 1)).map((one) => [one.id, one["card"]]),
        [
          [bad.id, undefined],
          [id, undefined],
        ],
      );
    });

    it("are promoted once, however many ask at the same time, and replace each other step by step", async () => {
      const { app } = stage;
      const own = await app.newOrganisation();
      const { api } = own;
      const second = await colleague(own);
      const town = await makeTown(own);
      const [one, two] = [await importOwn(api, goodModel(true, 1)), await importOwn(api, goodModel(true, 2))];
      app.clock.advance(1_000);
      const weak = await importOwn(api, goodModel(false, 3));
      ok(await second.post(`${MODELS}/${weak.id}/shadow`), 200);
      await payAndLabel(own, town, { honest: 60, frauds: 20 });
      app.clock.advance(2 * DAY_MS);
      const answers = await Promise.all([one, two, one, two].map(({ id }) => second.post(`${MODELS}/${id}/promote`)));
      const won = answers.filter(({ status }) => status === 200);
      assert.equal(won.length, 1, answers.map(({ text }) => text).join("\n"));
      for (const { status, body } of answers)
        if (status !== 200) assert.ok(["contention", "model_in_force", "model_not_better"].includes(body.code), body.code);
      const [first] = won.map(({ body }) => body.id);
      const other = first === one.id ? two.id : one.id;
      assert.deepEqual(await inForce(app, own), [first, weak.id]);
      // As good is not better.
      refused(await second.post(`${MODELS}/${other}/promote`), "model_not_better");

      ok(await second.post(`${MODELS}/${weak.id}/retire`), 200);
      refused(await second.post(`${MODELS}/${weak.id}/retire`), "model_retired");
      const states = await Promise.all([first, other, weak.id].map((id) => stateOf(api, String(id))));
      assert.deepEqual(states, ["champion", "candidate", "retired"]);
      const backs = await Promise.all([second.post(`${MODELS}/rollback`), second.post(`${MODELS}/rollback`)]);
      assert.deepEqual(
        backs.map(({ status }) => status).sort((a, b) => a - b),
        [200, 409],
      );
      assert.deepEqual(await inForce(app, own), [undefined, undefined]);
    });

    it("are gone back to by somebody else than who made them", async () => {
      const { app } = stage;
      const own = await app.newOrganisation();
      const { api } = own;
      const second = await colleague(own);
      const third = await colleague(own);
      const town = await makeTown(own);
      const fair = await importOwn(api, goodModel());
      await payAndLabel(own, town, { honest: 40, frauds: 20 });
      app.clock.advance(2 * DAY_MS);
      ok(await third.post(`${MODELS}/${fair.id}/promote`), 200);
      const next = await importOwn(second, goodModel(true, 7));
      refused(await third.post(`${MODELS}/${next.id}/promote`), "not_enough_evidence");
      // As if it had been promoted: what came before is the model of `api`.
      const table = "smartfinance-risk-models";
      const registry = await app.store.get(table, { hash: own.id });
      assert.ok(registry);
      const item = { ...registry, champion_id: next.id, former_ids: [fair.id, null], version: Number(registry["version"]) + 1 };
      assert.equal((await app.store.commit([{ op: "put", table, item, condition: "none" }])).outcome, "committed");
      refused(await api.post(`${MODELS}/rollback`), "second_person_required");
      const back = ok(await second.post(`${MODELS}/rollback`), 200);
      assert.deepEqual([back["champion_id"], back["former_left"]], [fair.id, 1]);
      assert.deepEqual([await stateOf(api, fair.id), await stateOf(api, next.id)], ["champion", "retired"]);
    });

    it("are not used by a product that computes other features, and say so", async () => {
      const { app } = stage;
      const own = await app.newOrganisation();
      const { api } = own;
      const second = await colleague(own);
      const { id } = await importOwn(api, goodModel());
      ok(await api.post(`${MODELS}/${id}/shadow`), 200);
      const table = "smartfinance-risk-models";
      const stored = await app.store.get(table, { hash: id });
      assert.ok(stored);
      const keep = async (more: object) => {
        assert.equal(
          (await app.store.commit([{ op: "put", table, item: { ...stored, ...more }, condition: "none" }])).outcome,
          "committed",
        );
        app.clock.advance(61_000);
        await inForce(app, own);
      };
      await keep({ features_hash: "00".repeat(32) });
      assert.equal(ok(await api.get(`${MODELS}/${id}`), 200)["unusable"], true);
      assert.deepEqual(await inForce(app, own), [undefined, undefined]);
      assert.ok(app.log.some((line) => line.includes(id) && line.includes("other features")));
      refused(await second.post(`${MODELS}/${id}/promote`), "model_unusable");
      // What is kept is another content than was written.
      await keep({ hash: "00".repeat(32) });
      assert.deepEqual(await inForce(app, own), [undefined, undefined]);
      const isTold = () => app.log.some((line) => line.includes(id) && line.includes("another one than was written"));
      for (let n = 0; n < 1_000 && !isTold(); n++) await new Promise((resolve) => setTimeout(resolve, 5));
      assert.ok(isTold());
      refused(await second.post(`${MODELS}/${id}/promote`), "model_unusable");
      await keep({});
      await untilShadow(app, own, id);
    });

    it("keep to one organisation", async () => {
      const { app } = stage;
      const [own, other] = [await app.newOrganisation(), await app.newOrganisation()];
      const { id } = await importOwn(own.api, goodModel());
      const training = ok(await own.api.post(`${MODELS}/train`, {}), 202).id;
      for (const path of [`models/${id}`, `model-trainings/${training}`, `models/${own.id}`, `models/${id}%230`])
        assert.ok([400, 404].includes((await other.api.get(`/v1/risk/${path}`)).status), path);
      for (const verb of ["shadow", "retire", "promote"]) refused(await other.api.post(`${MODELS}/${id}/${verb}`), "not_found");
      refused(await other.api.post(`/v1/risk/model-trainings/${training}/cancel`), "not_found");
      for (const path of ["models", "model-trainings"]) assert.deepEqual(ok(await other.api.get(`/v1/risk/${path}`), 200).data, []);
      refused(await other.api.post(`${MODELS}/rollback`), "no_former_model");
      assert.equal(await app.app.models.find(other.id as OrganisationId, id), undefined);
      ok(await own.api.post(`/v1/risk/model-trainings/${training}/cancel`), 200);
      refused(await own.api.post(`/v1/risk/model-trainings/${training}/cancel`), "training_finished");
      assert.deepEqual(await inForce(app, other), [undefined, undefined]);
    });
  });

  describe("imports", () => {
    it("take XGBoost's format with names mapped, packed or not, and the same content has the same hash", async () => {
      const { api } = await stage.app.newOrganisation();
      const body = { format: "xgboost", content: xgboostModel(), features: { betrag: "amount" }, description: "Ours" };
      const plain = ok(await api.post(`${MODELS}/import`, body), 201);
      const content = gzipSync(body.content).toString("base64");
      const packed = ok(await api.post(`${MODELS}/import`, { ...body, encoding: "gzip", content }), 201);
      assert.deepEqual([plain["origin"], plain["state"], plain["sha256"]], ["xgboost", "candidate", packed["sha256"]]);
      const features = (plain["card"] as Record<string, readonly ApiObject[]>)["features"] ?? [];
      assert.deepEqual([features[0]?.["name"], features[0]?.["share"], features[1]?.["share"]], ["amount", 1, 0]);
    });

    it("refuse what is poisoned, and keep nothing of it", async () => {
      const { app } = stage;
      const { api } = await app.newOrganisation();
      const seen = await newestEvent(api);
      const bring = (content: string, more: object = {}) =>
        api.post(`${MODELS}/import`, { format: "xgboost", content, features: { betrag: "amount" }, ...more });
      const tree = (members: object) => xgboostModel((one) => void Object.assign(one, members));
      const poisoned: readonly [string, RegExp][] = [
        ["", /./],
        ["{", /JSON/],
        ["[".repeat(100_000), /JSON|object/],
        [`${"[".repeat(5_000)}${"]".repeat(5_000)}`, /object/],
        [tree({ left_children: [0, -1, -1] }), /tree/],
        [tree({ left_children: [1, 2, -1], right_children: [2, 0, -1] }), /tree/],
        [tree({ left_children: [9, -1, -1] }), /from -1 to 2/],
        [tree({ split_indices: [1e9, 0, 0] }), /below 2/],
        [tree({ split_conditions: [null, 0, 0] }), /finite number/],
        [tree({ split_type: [1, 0, 0] }), /categorical/],
        [xgboostModel().replace("1100.5", "NaN"), /JSON/],
        [xgboostModel().replace("1100.5", "1e999"), /finite number/],
        [xgboostModel().replace("binary:logistic", "reg:linear"), /binary:logistic/],
        [xgboostModel().replace('"num_feature":"2"', '"num_feature":"2000000"'), /num_feature/],
      ];
      for (const [content, why] of poisoned) {
        const problem = refused(await bring(content), "invalid_request", "content");
        if (content !== "") assert.match(String(problem["detail"]), why, content.slice(0, 300));
      }
      refused(await bring(xgboostModel(), { features: {} }), "invalid_request", "features");
      refused(await bring(xgboostModel(), { features: { betrag: "nothing" } }), "invalid_request", "features");
      refused(await bring(xgboostModel(), { features: { other: "amount" } }), "invalid_request", "features");
      refused(await bring(xgboostModel(), { features: { betrag: "amount", unbenutzt: "amount" } }), "invalid_request", "features");
      refused(await bring("no gzip", { encoding: "gzip" }), "invalid_request", "content");
      // Unpacks to forty times what may be.
      const bomb = gzipSync(Buffer.alloc(200 * 1024 * 1024)).toString("base64");
      refused(await bring(bomb, { encoding: "gzip" }), "invalid_request", "content");
      refused(await bring("x".repeat(1_000_001)), "invalid_request", "content");

      const good = goodModel();
      const ours = (content: string) => bring(content, { format: "smartfinance", features: {} });
      refused(await ours(good.replace('"base":0', '"base":1')), "invalid_request", "content");
      refused(await ours(good.replace("reference cents", "euro")), "invalid_request", "content");
      assert.equal(await newestEvent(api), seen);
      assert.deepEqual(ok(await api.get(MODELS), 200).data, []);
    });
  });

  describe("trainings", () => {
    it("tell why they failed, and are canceled", async () => {
      const { app } = stage;
      const own = await app.newOrganisation();
      const { api } = own;
      refused(await api.post(`${MODELS}/train`, { to: "2120-01-01T00:00:00Z" }), "invalid_request", "to");
      refused(await api.post(`${MODELS}/train`, { from: "2026-02-31T00:00:00Z" }), "invalid_request", "from");
      refused(await api.post(`${MODELS}/train`, { from: "2026-02-02T00:00:00Z", to: "2026-02-01T00:00:00Z" }), "invalid_request", "from");
      refused(await api.post(`${MODELS}/train`, { from: "2020-02-02T00:00:00Z", to: "2026-02-01T00:00:00Z" }), "invalid_request", "from");
      refused(await api.post(`${MODELS}/train`, { options: { rounds: 0 } }), "invalid_request", "options.rounds");
      const { id } = ok(await api.post(`${MODELS}/train`), 202);
      await app.app.trainings.work();
      const failed = ok(await api.get(`/v1/risk/model-trainings/${id}`), 200);
      assert.deepEqual([failed.status, failed["rows"], failed["model_id"]], ["failed", 0, null]);
      assert.match(String(failed["reason"]), /labelled as fraud/);
      const again = ok(await api.post(`${MODELS}/train`), 202);
      ok(await api.post(`/v1/risk/model-trainings/${again.id}/cancel`), 200);
      await app.app.trainings.work();
      assert.deepEqual(
        (await everyPage(api, "/v1/risk/model-trainings", 1)).map(({ status }) => status),
        ["canceled", "failed"],
      );
    });
  });
}
