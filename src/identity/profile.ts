import type { OrganisationId, UserId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Binding, DataKey, Metadata, Sealed, Vault } from "#vault/index.ts";
import { isBirthDate, normaliseEmail } from "./normalise.ts";
import type { UserType } from "./user.ts";
import { USERS_TABLE } from "./user.ts";

export type Address = {
  readonly line1: string;
  readonly line2?: string;
  readonly city: string;
  readonly postal_code?: string;
  readonly state?: string;
  /** ISO 3166-1 alpha-2. */
  readonly country: string;
};

/** Everything that tells who a user is. Stored in one sealed envelope, so the names are those of the API. */
export type Profile = {
  readonly name: string;
  readonly email: string | null;
  readonly phone: string | null;
  readonly date_of_birth: string | null;
  readonly address: Address | null;
  readonly tax_id: string | null;
  /** Under which number a business is registered, and what kind of body it is. For a business only. */
  readonly registration_number: string | null;
  readonly legal_form: string | null;
  readonly reference: string | null;
  readonly metadata: Metadata;
};

/** What a profile is before anything is known, and how an erased one is shown. */
export const BLANK = {
  name: null,
  email: null,
  phone: null,
  date_of_birth: null,
  address: null,
  tax_id: null,
  registration_number: null,
  legal_form: null,
  reference: null,
  metadata: {},
} as const;

/** What the schema cannot say about a profile. `now` in milliseconds. */
export function checkProfile(profile: Profile, type: UserType, now: number): Refusal | undefined {
  const { name: called, email, date_of_birth: born, address } = profile;
  if (called.trim() === "") return refuse("invalid_request", "name", '"name" must have a character that can be seen.');
  if (email !== null && normaliseEmail(email) === undefined) return refuse("invalid_request", "email", "This is no e-mail address.");
  if (born !== null && type === "business") return refuse("invalid_request", "date_of_birth", "A business has no date of birth.");
  for (const name of ["registration_number", "legal_form"] as const)
    if (profile[name] !== null && type === "personal") return refuse("invalid_request", name, `A person has no "${name}".`);
  if (born !== null && !isBirthDate(born, now))
    return refuse("invalid_request", "date_of_birth", "This is no day of the past, from 1900 on.");
  // The schema of a change cannot ask for these: the address may be null there, and Ajv would blame the choice between the two.
  for (const name of ["line1", "city", "country"] as const)
    if (address !== null && address[name] === undefined)
      return refuse("missing_field", `address.${name}`, `"address.${name}" is required.`);
  return undefined;
}

/** The keyed hashes that a profile is searched by. The phone number is in E.164, which has one form only. */
export async function indexesOf(
  vault: Vault,
  organisationId: OrganisationId,
  { email, phone }: Pick<Profile, "email" | "phone">,
): Promise<{ readonly emailIndex: string | null; readonly phoneIndex: string | null }> {
  const address = email === null ? undefined : normaliseEmail(email);
  if (address === undefined && phone === null) return { emailIndex: null, phoneIndex: null };
  const key = await vault.indexKey(organisationId);
  return {
    emailIndex: address === undefined ? null : key.hmac("email", address),
    phoneIndex: phone === null ? null : key.hmac("phone", phone),
  };
}

function profileBinding(organisationId: OrganisationId, id: UserId): Binding {
  return { organisation_id: organisationId, table: USERS_TABLE, record: id, field: "profile" };
}

/** Seals a profile under the user's key. */
export function sealProfile(vault: Vault, userKey: DataKey, id: UserId, profile: Profile): JsonObject {
  return { ...vault.seal(userKey, profileBinding(userKey.organisationId, id), JSON.stringify(profile)) };
}

/** Opens a profile. @throws DataKeyNotFoundError when the user has been erased in the meantime. */
export async function openProfile(vault: Vault, organisationId: OrganisationId, id: UserId, envelope: JsonObject): Promise<Profile> {
  const sealed = envelope as unknown as Sealed;
  const dataKey = await vault.dataKeyById(organisationId, sealed.key_id);
  // One from before a field was known has nothing to say of it.
  return { ...BLANK, ...(JSON.parse(vault.open(dataKey, profileBinding(organisationId, id), sealed)) as Profile) };
}
