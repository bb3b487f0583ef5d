import { Type } from "typebox";
import { described, timestampField } from "#http/index.ts";

const EXAMPLE_VKEY = "smartfinance/4f1c9a7be2d80356+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
const EXAMPLE_HASH = "XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=";

export const hashField = (description: string) => Type.String({ pattern: "^[A-Za-z0-9+/]{43}=$", description, examples: [EXAMPLE_HASH] });

export const sizeParameter = (description: string) => Type.String({ pattern: "^(0|[1-9][0-9]{0,14})$", description, examples: ["1"] });

export const consistencySchema = Type.Object({
  object: Type.Literal("consistency_proof"),
  from: Type.Integer({ minimum: 0, description: "Size of the older tree." }),
  to: Type.Integer({ minimum: 0, description: "Size of the newer tree." }),
  hashes: Type.Array(hashField("A hash of the proof."), { description: "The proof, RFC 9162 section 2.1.4.1." }),
});

export const logKeySchema = Type.Object({
  object: Type.Literal("audit_log_key"),
  origin: Type.String({ description: "The log's name, the first line of its checkpoints.", examples: ["smartfinance/4f1c9a7be2d80356"] }),
  verifier_key: Type.String({
    description: "The public key as a C2SP verifier key: name, key id, and base64 of the type and the Ed25519 key.",
    examples: [EXAMPLE_VKEY],
  }),
  former_keys: Type.Array(
    Type.Object({
      verifier_key: Type.String({ description: "A key of before a rotation.", examples: [EXAMPLE_VKEY] }),
      signs_until: described(timestampField, "Until when it signs next to the present one."),
    }),
    { description: "Keys of before that still sign, the newest first; none most of the time." },
  ),
});

/** An answer that is no JSON; its example stands where the OpenAPI document looks for that of an answer. */
export const textAnswer = (media: string, description: string, example: string) => ({
  description,
  examples: [example],
  content: { [media]: { schema: Type.String({ description }) } },
});

export const CHECKPOINT_EXAMPLE = `smartfinance/4f1c9a7be2d80356
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

\u2014 smartfinance/4f1c9a7be2d80356 Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
`;

export const PROOF_EXAMPLE = `c2sp.org/tlog-proof@v1
extra q83vEjRWeJCrze8SNFZ4kA==
index 73894
${EXAMPLE_HASH}

${CHECKPOINT_EXAMPLE}`;

/** The path of a tile below `tile/`, in one segment. */
export const TILE_PATTERN = "^(entries|[0-9]|[1-5][0-9]|6[0-3])/(x[0-9]{3}/){0,4}[0-9]{3}(\\.p/[1-9][0-9]{0,2})?$";
