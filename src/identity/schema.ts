import { Type } from "typebox";
import { DAY, described, EMAIL, exampleId, idField, metadataField, nullable, PHONE, PLAIN_TEXT, timestampField } from "#http/index.ts";
import { COUNTRIES } from "./countries.ts";
import type { Address } from "./profile.ts";
import type { StatusReason, UserStatus, UserType } from "./user.ts";
import type { UserStatusBody } from "./change-user-status.ts";
import { statusReasons, userStatuses, userTypes } from "./user.ts";

const text = (maxLength: number, description: string) => Type.String({ minLength: 1, maxLength, pattern: PLAIN_TEXT, description });

const exampleAddress = { line1: "St James's Square 12", city: "London", postal_code: "SW1Y 4JH", country: "GB" };
const examplePerson = {
  name: "Ada Lovelace",
  email: "ada@example.com",
  phone: "+442079460000",
  date_of_birth: "1985-12-10",
  address: exampleAddress,
  reference: "customer-4711",
};

export const userTypeField = Type.Unsafe<UserType>(Type.String({ enum: [...userTypes], description: "Only users of this type." }));
export const userStatusField = Type.Unsafe<UserStatus>(
  Type.String({ enum: [...userStatuses], description: "Only users of this status.", examples: ["active"] }),
);

/** The shape only; `normaliseEmail` has the last word. */
export const emailField = Type.String({
  minLength: 3,
  maxLength: 254,
  pattern: EMAIL,
  description: "An e-mail address. Kept as it is given, compared without regard to case (NFKC, lower-case). Need not be unique.",
  examples: [examplePerson.email],
});
export const phoneField = Type.String({
  pattern: PHONE,
  description: "A telephone number in E.164: a plus, the country code, the number. Nothing is guessed or added.",
  examples: [examplePerson.phone],
});

const addressFields = {
  line1: text(200, "Street and number, or a post-office box."),
  line2: Type.Optional(text(200, "What does not fit into the first line.")),
  city: text(100, "City or town."),
  postal_code: Type.Optional(text(20, "As the country writes it; not checked.")),
  state: Type.Optional(text(100, "State, province or region.")),
  country: Type.String({ enum: [...COUNTRIES], description: "ISO 3166-1 alpha-2 code.", examples: ["GB"] }),
};
const addressField = Type.Object(addressFields, {
  additionalProperties: false,
  description: "A postal address.",
  examples: [exampleAddress],
});
/** An address that may also be null. What must be there is checked by `checkProfile`, which can say which field is missing. */
const addressChange = nullable(
  Type.Unsafe<Address>(
    Type.Object(
      {
        ...addressFields,
        line1: Type.Optional(addressFields.line1),
        city: Type.Optional(addressFields.city),
        country: Type.Optional(addressFields.country),
      },
      { additionalProperties: false },
    ),
  ),
  "Replaces the address as a whole, so `line1`, `city` and `country` are required in it; null removes it.",
);

const nameField = text(200, "The name of the person, or the registered name of the business. Up to 200 characters.");
const birthField = Type.String({
  pattern: DAY,
  description: "A day of the past, from 1900 on. For `personal` users only.",
  examples: [examplePerson.date_of_birth],
});
const taxField = text(40, "The tax number as its authority writes it; not checked. Up to 40 characters.");
const registrationField = text(40, "Under which number the register of companies has it; not checked. For `business` users only.");
const legalFormField = text(
  60,
  "What kind of body it is, such as `GmbH`, `Ltd` or a code of ISO 20275; not checked. For `business` users only.",
);
const referenceField = text(140, "Your own name for the user, such as its number in your system. Up to 140 characters.");

export const createUserBody = Type.Object(
  {
    type: Type.Optional(
      Type.Unsafe<UserType>(Type.String({ enum: [...userTypes], description: "`personal` when absent. It cannot be changed later." })),
    ),
    name: nameField,
    email: Type.Optional(emailField),
    phone: Type.Optional(phoneField),
    date_of_birth: Type.Optional(birthField),
    address: Type.Optional(addressField),
    tax_id: Type.Optional(taxField),
    registration_number: Type.Optional(registrationField),
    legal_form: Type.Optional(legalFormField),
    reference: Type.Optional(referenceField),
    metadata: Type.Optional(metadataField),
  },
  { additionalProperties: false, examples: [{ type: "personal", ...examplePerson }] },
);

export const userStatusBody = Type.Object(
  {
    status: Type.Unsafe<UserStatusBody["status"]>(
      Type.String({
        enum: ["active", "restricted"],
        description:
          "`active` from `pending` or `restricted`; `restricted` from `pending` or `active`. To close a user is another operation.",
      }),
    ),
    reason_code: Type.Unsafe<StatusReason>(
      Type.String({
        enum: [...statusReasons],
        description:
          "Why. Kept with the user and in the audit log. `verified` and `cleared` go with `active`, `court_order` and `customer_request` with " +
          "both, all others with `restricted`.",
      }),
    ),
  },
  { additionalProperties: false, examples: [{ status: "active", reason_code: "verified" }] },
);

export const updateUserBody = Type.Object(
  {
    name: Type.Optional(nameField),
    email: Type.Optional(nullable(emailField, "The new e-mail address; null removes it.")),
    phone: Type.Optional(nullable(phoneField, "The new telephone number in E.164; null removes it.")),
    date_of_birth: Type.Optional(nullable(birthField, "The date of birth; null removes it.")),
    address: Type.Optional(addressChange),
    tax_id: Type.Optional(nullable(taxField, "The tax number; null removes it.")),
    registration_number: Type.Optional(
      nullable(registrationField, "The number in the register; null removes it. For `business` users only."),
    ),
    legal_form: Type.Optional(nullable(legalFormField, "What kind of body it is; null removes it. For `business` users only.")),
    reference: Type.Optional(nullable(referenceField, "Your own name for the user; null removes it.")),
    metadata: Type.Optional(nullable(metadataField, "Replaces the metadata as a whole; null removes it.")),
  },
  { additionalProperties: false, minProperties: 1, examples: [{ email: "ada.lovelace@example.com", phone: null }] },
);

const personalText = (description: string) => nullable(Type.String(), `${description} Null where it is not known or the user is erased.`);
const id = exampleId("user");
const at = "2026-11-22T19:25:52.275Z";

/** A user as the API shows it. */
export const userSchema = Type.Object(
  {
    id: idField("user"),
    object: Type.Literal("user"),
    type: Type.Enum([...userTypes], { description: "A person, or a business." }),
    status: Type.Enum([...userStatuses], {
      description:
        "`pending`: not verified yet; can be given accounts, on which no money moves. `active`: verified. `restricted`: nothing leaves the " +
        "accounts. `closed`: for good.",
    }),
    status_reason: nullable(Type.Enum([...statusReasons]), "Why it has this status; null where nobody has set one."),
    name: personalText("The name of the person or the business."),
    email: personalText("The e-mail address, as it was given."),
    phone: personalText("The telephone number, E.164."),
    date_of_birth: personalText("The date of birth, `YYYY-MM-DD`."),
    address: nullable(addressField, "The postal address. Null where it is not known or the user is erased."),
    tax_id: personalText("The tax number."),
    registration_number: personalText("The number of a business in the register of companies."),
    legal_form: personalText("What kind of body a business is."),
    reference: personalText("Your own name for the user."),
    metadata: metadataField,
    account_count: Type.Integer({ description: "How many accounts the user holds, alone or with others, closed ones included." }),
    version: Type.Integer({ minimum: 1, description: "Grows with every change, an account opened included; the `ETag` says the same." }),
    created_at: timestampField,
    updated_at: described(timestampField, "When the user's own data or status changed last. RFC 3339, UTC, with milliseconds."),
    closed_at: nullable(timestampField, "When the user was closed; null before."),
    erased_at: nullable(timestampField, "When the personal data was destroyed; null before."),
  },
  {
    $id: "User",
    description:
      "A customer of the organisation. Personal data is stored sealed under a key of the user's own; once that key is destroyed " +
      "(`erased_at`), all of it is null for ever.",
    examples: [
      {
        id,
        object: "user",
        type: "personal",
        status: "active",
        status_reason: "verified",
        ...examplePerson,
        tax_id: null,
        registration_number: null,
        legal_form: null,
        metadata: {},
        account_count: 1,
        version: 2,
        created_at: at,
        updated_at: at,
        closed_at: null,
        erased_at: null,
      },
    ],
  },
);
