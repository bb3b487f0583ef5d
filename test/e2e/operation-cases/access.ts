import type { Organisation } from "#test/support/app.ts";
import { ok } from "#test/support/http-client.ts";
import type { OperationCases } from "./case.ts";
import { reads } from "./case.ts";

const keyTerms = {
  // What a key that may only manage keys can give.
  scopes: ["api_keys:write"],
  rate_limit_per_minute: 5,
  ip_allowlist: ["192.0.2.0/24"],
  certificate_sha256: "0123456789abcdef".repeat(4),
  expires_at: "2120-01-01T00:00:00Z",
};

async function apiKey({ api }: Organisation): Promise<string> {
  return ok(await api.post("/v1/api-keys", { name: "For tests", scopes: keyTerms.scopes }), 201).id;
}

/** Keys and the organisation's own terms. */
export const accessCases: OperationCases = {
  createApiKey: {
    prepare: () => ({ body: { name: "Another", ...keyTerms } }),
    status: 201,
    sensitive: true,
    events: ["api_key.created"],
  },
  getApiKey: reads((_organisation, { key }) => ({ id: key })),
  listApiKeys: reads(() => ({ query: { limit: "1" } })),
  updateApiKey: {
    prepare: async (organisation) => ({ id: await apiKey(organisation), body: { name: "Changed", ...keyTerms } }),
    status: 200,
    sensitive: true,
    events: ["api_key.updated"],
  },
  rotateApiKey: {
    prepare: async (organisation) => ({ id: await apiKey(organisation), body: { overlap_seconds: 60 } }),
    status: 200,
    sensitive: true,
    events: ["api_key.rotated"],
  },
  revokeApiKey: {
    prepare: async (organisation) => ({ id: await apiKey(organisation) }),
    status: 200,
    sensitive: true,
    events: ["api_key.revoked"],
  },

  getOrganisation: reads(() => ({})),
  updateOrganisation: {
    prepare: () => ({
      body: {
        name: "Renamed",
        rate_limit_per_minute: 9_999_999,
        key_rate_limit_per_minute: 99,
        ip_allowlist: ["127.0.0.0/8"],
        new_user_status: "active",
        review_due_hours: 25,
        review_expiry_hours: 73,
        review_four_eyes_above: [{ currency: "JPY", amount: 1_000 }],
        pages_display_name: "Example Bank",
        pages_primary_color: "#1a4fc4",
        pages_primary_color_dark: "#8fb4ff",
        pages_color_scheme: "auto",
        pages_return_origins: ["https://app.example.com"],
      },
    }),
    status: 200,
    sensitive: true,
    events: ["organisation.updated"],
  },
};
