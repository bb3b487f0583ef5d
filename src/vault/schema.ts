import { Type } from "typebox";
import { described, exampleId, idField, nullable, timestampField } from "#http/index.ts";
import { keyStates } from "./data-key-record.ts";
import type { RotationReason, RotationTarget } from "./key-rotation.ts";
import { rotationReasons, rotationTargets } from "./key-rotation.ts";

const count = (description: string) => Type.Integer({ minimum: 0, description });
const text = (description: string) => Type.String({ description });

export const startRotationBody = Type.Object(
  {
    target: Type.Optional(
      Type.Unsafe<RotationTarget>(
        Type.String({
          enum: [...rotationTargets],
          description:
            "`data_keys` (when absent): new data keys for the organisation and its users, and everything sealed again under them. " +
            "`wrapping_keys`: every data key is wrapped anew by the current key of the key management service.",
        }),
      ),
    ),
    reason: Type.Optional(
      Type.Unsafe<RotationReason>(
        Type.String({
          enum: [...rotationReasons],
          description:
            "`scheduled` when absent. `compromise` blocks the data key `key_id` at once, and moves what it sealed to another one.",
        }),
      ),
    ),
    key_id: Type.Optional(
      idField("dataKey", "Only this data key: the compromised one, or one that is to be replaced or wrapped anew by itself."),
    ),
  },
  { additionalProperties: false, examples: [{ target: "data_keys", reason: "scheduled" }] },
);

const at = "2026-11-22T19:25:52.275Z";
const exampleRotation = {
  id: exampleId("keyRotation"),
  object: "key_rotation",
  target: "data_keys",
  reason: "scheduled",
  key_id: null,
  status: "running",
  error: null,
  progress: { pass: 1, steps_done: 3, steps_total: 19, examined: 1250, rewritten: 1190, unreadable: 0 },
  created_at: at,
  updated_at: at,
  completed_at: null,
};

export const keyRotationSchema = Type.Object(
  {
    id: idField("keyRotation"),
    object: Type.Literal("key_rotation"),
    target: Type.Enum([...rotationTargets], { description: "Which keys are replaced." }),
    reason: Type.Enum([...rotationReasons], { description: "Why." }),
    key_id: nullable(idField("dataKey"), "The data key that was named; null where it is about all of them."),
    status: Type.Enum(["running", "completed", "failed"], {
      description:
        "`running` until a whole pass found nothing to do. `failed`: it has ended without; start another once the cause is gone.",
    }),
    error: nullable(
      Type.Object({
        code: Type.Enum(["key_blocked", "too_many_keys", "kms_unavailable", "store_unavailable"], {
          description:
            "`key_blocked` has ended the rotation. `too_many_keys` stands at its end: all is done, but for users who have as many keys as one " +
            "may have. With the others it goes on by itself.",
        }),
        detail: text("For humans; may change."),
      }),
      "Why it failed, or what keeps it from going on; null while nothing does.",
    ),
    progress: Type.Object(
      {
        pass: count("Passes over all records; the last one finds nothing to do."),
        steps_done: count("Steps of this pass that are done."),
        steps_total: count("Steps of one pass."),
        examined: count("Records looked at in this pass."),
        rewritten: count("Records changed so far."),
        unreadable: count("Sealed texts of this pass that do not open (erased users); they stay as they are."),
      },
      { description: "How far it has come." },
    ),
    created_at: timestampField,
    updated_at: described(timestampField, "When it went on last. RFC 3339, UTC, with milliseconds."),
    completed_at: nullable(timestampField, "When it was completed; null before."),
  },
  {
    $id: "KeyRotation",
    description: "A rotation of the organisation's encryption keys, carried out in the background.",
    examples: [exampleRotation],
  },
);

const times = {
  created_at: nullable(timestampField, "When the key was made; null where that is not known."),
  age_days: nullable(Type.Integer({ minimum: 0 }), "Whole days since then."),
  rotation_due_at: nullable(timestampField, "When it should be replaced; null for keys that are not current or never replaced."),
};
const strength = {
  algorithm: text("Name of the algorithm."),
  strength_bits: Type.Integer({ minimum: 0, description: "Bits of security (NIST SP 800-57)." }),
};

const algorithmField = Type.Object(
  { ...strength, use: text("What it is used for."), standard: text("Where it is defined.") },
  { description: "An algorithm and one use of it." },
);

const kmsField = Type.Object(
  {
    engine: text("`local` or `aws`."),
    custodian: text("Who guards these keys."),
    keys: Type.Array(
      Type.Object(
        {
          id: text("Its id or ARN."),
          ...strength,
          state: text("`enabled`, `retired` (unwraps only), `compromised` (blocked), or what the service calls another state."),
          current: Type.Boolean({ description: "Whether new data keys are wrapped by it." }),
          ...times,
        },
        { description: "A wrapping key." },
      ),
      { description: "The wrapping keys, which all organisations of the installation share." },
    ),
  },
  { description: "The key management service: what data keys are wrapped by." },
);

const dataKeyField = Type.Object(
  {
    id: idField("dataKey"),
    object: Type.Literal("data_key"),
    purpose: Type.Enum(["sealing", "search_index"], { description: "What it is for; never for both." }),
    user_id: nullable(idField("user"), "The user whose own key it is; null for a key of the organisation."),
    version: Type.Integer({ minimum: 1, description: "1 is the first key of its owner." }),
    state: Type.Enum([...keyStates], {
      description:
        "`enabled`, `retired` (opens only), `compromised` (blocked both ways), `destroyed` (the wrapped key is overwritten; what it sealed is gone).",
    }),
    current: Type.Boolean({ description: "Whether new data is sealed under it." }),
    ...strength,
    custodian: text("Who guards it."),
    kms_key_id: text("The wrapping key it is wrapped by."),
    wrapped_at: described(timestampField, "When it was wrapped last. RFC 3339, UTC, with milliseconds."),
    ...times,
    uses_in_process: nullable(
      Type.Object({ seals: count("Texts sealed since the key was loaded."), opens: count("Texts opened since then.") }),
      "Uses by the process that answers; null when the key is not in its memory.",
    ),
  },
  { description: "A data key. Never the key itself, wrapped or not." },
);

export const cryptoInventorySchema = Type.Object(
  {
    object: Type.Literal("crypto_inventory"),
    environment: Type.Enum(["test", "live"], { description: "Part of every encryption context: keys of one do not open in the other." }),
    generated_at: described(timestampField, "When the inventory was taken. RFC 3339, UTC, with milliseconds."),
    algorithms: Type.Array(algorithmField, { description: "Every algorithm in use." }),
    kms: kmsField,
    keys: Type.Object(
      {
        object: Type.Literal("list"),
        data: Type.Array(dataKeyField, { description: "The keys of this page, newest first." }),
        has_more: Type.Boolean({ description: "Whether there may be keys after this page." }),
        next_cursor: nullable(Type.String(), "Hand it in as `cursor` for the next page; null when this is the last one."),
      },
      { description: "The data keys of the organisation and its users." },
    ),
  },
  {
    $id: "CryptoInventory",
    description: "Algorithms and keys in use (PCI DSS 4.0.1, 12.3.3). Never key material.",
    examples: [
      {
        object: "crypto_inventory",
        environment: "test",
        generated_at: at,
        algorithms: [
          { algorithm: "HMAC-SHA-256", strength_bits: 256, use: "search indexes over sealed values", standard: "RFC 2104, FIPS 198-1" },
        ],
        kms: {
          engine: "local",
          custodian: "key file of the installation (mode 0600), kept by its operator",
          keys: [
            {
              id: "local/1",
              algorithm: "AES-256-GCM",
              strength_bits: 256,
              state: "enabled",
              current: true,
              created_at: at,
              age_days: 0,
              rotation_due_at: "2027-11-22T19:25:52.275Z",
            },
          ],
        },
        keys: { object: "list", data: [], has_more: false, next_cursor: null },
      },
    ],
  },
);
