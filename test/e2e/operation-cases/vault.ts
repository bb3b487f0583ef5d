import type { Organisation } from "#test/support/app.ts";
import type { ApiObject } from "#test/support/http-client.ts";
import { ok } from "#test/support/http-client.ts";
import type { Landmarks, OperationCases } from "./case.ts";
import { reads } from "./case.ts";

// Of all keys only one rotation runs at a time; of a single key there may be several.
const wrapping = { target: "wrapping_keys", reason: "scheduled" };

/** A data key and a rotation of it; there are two rotations, so that a page of one has a next one. */
export async function vaultLandmarks({ api }: Organisation): Promise<Pick<Landmarks, "dek" | "rot">> {
  const dek = (ok(await api.get("/v1/crypto-inventory?limit=1"), 200)["keys"] as ApiObject).data[0]?.id ?? "";
  const rot = ok(await api.post("/v1/key-rotations", { ...wrapping, key_id: dek }), 202).id;
  ok(await api.post("/v1/key-rotations", { ...wrapping, key_id: dek }), 202);
  return { dek, rot };
}

export const vaultCases: OperationCases = {
  startKeyRotation: {
    prepare: (_organisation, { dek }) => ({ body: { ...wrapping, key_id: dek } }),
    status: 202,
    sensitive: true,
    events: ["key_rotation.started"],
  },
  getKeyRotation: reads((_organisation, { rot }) => ({ id: rot })),
  listKeyRotations: reads(() => ({ query: { limit: "1" } })),
  getCryptoInventory: reads(() => ({ query: { limit: "1" } })),
};
