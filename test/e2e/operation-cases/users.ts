import { ok } from "#test/support/http-client.ts";
import type { OperationCases } from "./case.ts";
import { metadata, reads } from "./case.ts";

const person = {
  name: "Ada Lovelace",
  email: "ada@example.com",
  phone: "+442079460000",
  date_of_birth: "1915-12-10",
  address: {
    line1: "St James's Square 12",
    line2: "2nd floor",
    city: "London",
    postal_code: "SW1Y 4JH",
    state: "Greater London",
    country: "GB",
  },
  tax_id: "AB123456C",
  reference: "customer-1",
  metadata,
};

/** What a person has not. */
const ofBusinesses = { registration_number: "HRB 1", legal_form: "GmbH" };

export const userCases: OperationCases = {
  createUser: {
    prepare: () => ({ body: { type: "personal", ...person } }),
    status: 201,
    events: ["user.created"],
    excluded: ofBusinesses,
  },
  getUser: reads((_organisation, { usr }) => ({ id: usr })),
  listUsers: reads(() => ({
    query: { limit: "1", type: "personal", created_from: "2020-01-01T00:00:00Z", created_to: "2120-01-01T00:00:00Z" },
  })),
  updateUser: {
    prepare: async (organisation) => ({ id: await organisation.user(), body: person }),
    status: 200,
    events: ["user.updated"],
    excluded: ofBusinesses,
  },
  setUserStatus: {
    prepare: async (organisation) => ({ id: await organisation.user(), body: { status: "restricted", reason_code: "screening_hit" } }),
    status: 200,
    sensitive: true,
    events: ["user.status_changed"],
  },
  closeUser: { prepare: async (organisation) => ({ id: await organisation.user() }), status: 200, events: ["user.closed"] },
  eraseUser: {
    async prepare(organisation) {
      const id = await organisation.user();
      ok(await organisation.api.post(`/v1/users/${id}/close`), 200);
      return { id };
    },
    status: 200,
    sensitive: true,
    events: ["user.erased"],
  },
};
