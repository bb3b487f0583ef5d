import { Type } from "typebox";
import { MAX_ALLOWLIST_ENTRIES, MAX_RATE_LIMIT_PER_MINUTE } from "#access/index.ts";
import { askedBy } from "#commit/index.ts";
import type { HttpServer } from "#http/index.ts";
import {
  PLAIN_TEXT,
  amountField,
  currencyField,
  described,
  idField,
  nullable,
  ref,
  sendObject,
  sendRefusal,
  sendVersioned,
  timestampField,
  versionSeen,
  versionTagHeader,
} from "#http/index.ts";
import { refuse } from "#kernel/problems.ts";
import type { NewUserStatus } from "./organisation.ts";
import { MAX_ORGANISATION_RATE_LIMIT, newUserStatuses, readOrganisation } from "./organisation.ts";
import type { OrganisationDeps } from "./organisation-change.ts";
import { changeOrganisation, presentOrganisation } from "./organisation-change.ts";
import { MAX_RETURN_ORIGINS, PAGE_SCHEMES } from "./page-terms.ts";
import { MAX_DUE_HOURS, MAX_EXPIRY_HOURS, MAX_FOUR_EYES_CURRENCIES } from "./review-terms.ts";

const dueHours = Type.Integer({
  minimum: 1,
  maximum: MAX_DUE_HOURS,
  description: "Within so many hours the review of a suspicious payment is to be decided; 24 to begin with. Holds for open reviews, too.",
});
const expiryHours = Type.Integer({
  minimum: 1,
  maximum: MAX_EXPIRY_HOURS,
  description:
    "So many hours after it was due, an undecided review rejects its payment; 72 to begin with. Holds for open reviews, too, unless they have expired.",
});
const fourEyesAbove = Type.Array(
  Type.Object(
    {
      currency: described(currencyField, "ISO 4217 alphabetic code, each once."),
      amount: described(amountField, "Payments of more than this are approved by two keys, in minor units."),
    },
    { additionalProperties: false },
  ),
  {
    maxItems: MAX_FOUR_EYES_CURRENCIES,
    description:
      "Above which amounts an approval needs two different API keys. In a currency that is not named, one is enough. Payments that wait already keep the least amount that held since.",
  },
);

const pagesColour = (ground: string, example: string) =>
  Type.String({
    pattern: "^#[0-9A-Fa-f]{6}$",
    description: `The colour of buttons and links of the hosted pages on ${ground} ground; it has to have a contrast of 4.5 to 1 with it.`,
    examples: [example],
  });
const pagesScheme = Type.Union(
  PAGE_SCHEMES.map((scheme) => Type.Literal(scheme)),
  { description: "Whether the hosted pages are light or dark; `auto` follows the customer's own setting." },
);
const pagesReturnOrigins = Type.Array(Type.String({ minLength: 8, maxLength: 253, examples: ["https://app.example.com"] }), {
  maxItems: MAX_RETURN_ORIGINS,
  description: "Where hosted sessions may send customers back to: origins such as `https://app.example.com`.",
});
const pagesDisplayName = nullable(
  Type.String({ minLength: 1, maxLength: 60, pattern: PLAIN_TEXT, examples: ["Acme Bank"] }),
  "What the hosted pages call you; `null` for the organisation's name.",
);

const newUserStatus = Type.Unsafe<NewUserStatus>(
  Type.String({
    enum: [...newUserStatuses],
    description:
      "The status that users are created with; `active` to begin with. `pending` users can be given accounts, on which no money moves until " +
      "their status is set.",
  }),
);

const organisationSchema = Type.Object(
  {
    id: idField("organisation"),
    object: Type.Literal("organisation"),
    name: Type.String({ description: "What the organisation is called." }),
    rate_limit_per_minute: Type.Integer({ description: "Units that all keys together may spend in any 60 seconds." }),
    rate_limit_ceiling: Type.Integer({
      description: "How high `rate_limit_per_minute` may be set; given by whoever runs the installation.",
    }),
    key_rate_limit_per_minute: Type.Integer({ description: "What a key made without a limit of its own is given." }),
    ip_allowlist: Type.Array(Type.String(), { description: "Which addresses may call at all. Empty: every one." }),
    new_user_status: newUserStatus,
    review_due_hours: dueHours,
    review_expiry_hours: expiryHours,
    review_four_eyes_above: fourEyesAbove,
    pages_display_name: pagesDisplayName,
    pages_primary_color: pagesColour("light", "#1a4fc4"),
    pages_primary_color_dark: pagesColour("dark", "#8fb4ff"),
    pages_color_scheme: pagesScheme,
    pages_return_origins: pagesReturnOrigins,
    created_at: timestampField,
    version: Type.Integer({ description: "Counts the changes; the `ETag`." }),
  },
  { $id: "Organisation", description: "The tenant that everything of an API key belongs to." },
);

const changeBody = Type.Object(
  {
    name: Type.Optional(
      Type.String({ minLength: 1, maxLength: 100, pattern: PLAIN_TEXT, description: "Up to 100 characters, no control characters." }),
    ),
    rate_limit_per_minute: Type.Optional(
      Type.Integer({ minimum: 1, maximum: MAX_ORGANISATION_RATE_LIMIT, description: "At most `rate_limit_ceiling`." }),
    ),
    key_rate_limit_per_minute: Type.Optional(
      Type.Integer({ minimum: 1, maximum: MAX_RATE_LIMIT_PER_MINUTE, description: "For keys made from now on." }),
    ),
    ip_allowlist: Type.Optional(
      Type.Array(Type.String({ minLength: 2, maxLength: 64 }), {
        maxItems: MAX_ALLOWLIST_ENTRIES,
        description: "Addresses and CIDR blocks that calls with any key of the organisation may come from. It must have your own address.",
      }),
    ),
    new_user_status: Type.Optional(newUserStatus),
    review_due_hours: Type.Optional(dueHours),
    review_expiry_hours: Type.Optional(expiryHours),
    review_four_eyes_above: Type.Optional(fourEyesAbove),
    pages_display_name: Type.Optional(pagesDisplayName),
    pages_primary_color: Type.Optional(pagesColour("light", "#1a4fc4")),
    pages_primary_color_dark: Type.Optional(pagesColour("dark", "#8fb4ff")),
    pages_color_scheme: Type.Optional(pagesScheme),
    pages_return_origins: Type.Optional(pagesReturnOrigins),
  },
  { additionalProperties: false, minProperties: 1 },
);

/** Routes of the caller's own organisation. */
export function organisationRoutes(app: HttpServer, deps: OrganisationDeps): void {
  app.addSchema(organisationSchema);
  const tags = ["Organisation"];

  app.get(
    "/v1/organisation",
    {
      config: { access: "key", scope: "organisation:read", sends: ["ETag"], problems: ["not_found"] },
      schema: {
        operationId: "getOrganisation",
        tags,
        summary: "Get your organisation",
        description: "The organisation of the key that asks, with its settings.",
        response: { 200: ref("Organisation") },
      },
    },
    async (request, reply) => {
      const organisation = await readOrganisation(deps.store, request.caller.principal.organisationId);
      if (organisation === undefined) return sendRefusal(reply, refuse("not_found"));
      reply.header("etag", `"${organisation.version}"`);
      return sendObject(reply, presentOrganisation(organisation));
    },
  );

  app.patch(
    "/v1/organisation",
    {
      config: {
        access: "key",
        scope: "organisation:write",
        sensitive: true,
        sends: ["ETag"],
        problems: ["not_found", "beyond_own_permissions", "would_lock_out", "version_conflict"],
      },
      schema: {
        operationId: "updateOrganisation",
        tags,
        summary: "Change your organisation's settings",
        description: "Effective at once on the node that answers and within five seconds on every other.",
        headers: Type.Object({ "if-match": versionTagHeader }),
        body: changeBody,
        response: { 200: ref("Organisation") },
      },
    },
    async (request, reply) => {
      const version = versionSeen(request.headers);
      return sendVersioned(reply, await changeOrganisation(deps, askedBy(request), request.body, version));
    },
  );
}
