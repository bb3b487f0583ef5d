import type { LookUp } from "./openapi-examples.ts";
import { exampleOf } from "./openapi-examples.ts";

/** What a server sends to the endpoints of its clients. */
export interface ToldWebhooks {
  /** The `$id` of the schema of every body; its member `type` says which one it is. */
  readonly schema: string;
  /** By type: what has happened. */
  readonly types: Readonly<Record<string, string>>;
  /** Members of the example that differ by type. */
  readonly example: (type: string) => object;
}

const header = (name: string, description: string, example: string) => ({
  name,
  in: "header",
  required: true,
  description,
  schema: { type: "string" },
  example,
});

const headers = [
  header("webhook-id", "The id of the event, the same at every attempt: take one you have seen as done.", "evt_01M82BHM94EKAVVN1J472JCKY4"),
  header("webhook-timestamp", "When this attempt was made, in seconds since 1970. Refuse what is older than five minutes.", "1795375552"),
  header(
    "webhook-signature",
    "`v1,` and the base64 of HMAC-SHA-256 over `<webhook-id>.<webhook-timestamp>.<body>` under the endpoint's secret; several, divided by " +
      "spaces, while two secrets overlap. One that is right is enough.",
    "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  ),
];

const responses = {
  "2XX": { description: "Taken." },
  "410": { description: "Gone: the endpoint is disabled." },
  default: { description: "Not taken, redirects included: it is sent again, ten times in all within some three days." },
};

/** The `webhooks` section of the document (OpenAPI 3.1): one member for each type. */
export function describeWebhooks({ schema, types, example }: ToldWebhooks, lookUp: LookUp): Record<string, unknown> {
  const plain = exampleOf(lookUp(schema) ?? {}, lookUp) as object;
  return Object.fromEntries(
    Object.entries(types).map(([type, description]) => [
      type,
      {
        post: {
          operationId: `told.${type}`,
          tags: ["Webhooks"],
          // Who receives it proves nothing to us: it checks the signature.
          security: [],
          summary: type,
          description,
          parameters: headers,
          requestBody: {
            required: true,
            content: {
              "application/json": {
                schema: { allOf: [{ $ref: `#/components/schemas/${schema}` }, { properties: { type: { const: type } } }] },
                example: { ...plain, type, ...example(type) },
              },
            },
          },
          responses,
        },
      },
    ]),
  );
}
