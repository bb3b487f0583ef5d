import { hash } from "node:crypto";
import type { AuthenticationResponseJSON, RegistrationResponseJSON } from "@simplewebauthn/server";
import {
  generateAuthenticationOptions,
  generateRegistrationOptions,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from "@simplewebauthn/server";
import { decodeCredentialPublicKey } from "@simplewebauthn/server/helpers";
import type { JsonObject } from "#kernel/json.ts";
import type { RelyingParty, Subject } from "./factor.ts";
import type { PasskeyFactor } from "./factor-set.ts";

/*
 * The one place that knows the WebAuthn library. It verifies what WebAuthn Level 3 section 7 says, except: cross-origin frames,
 * the user handle and the backup eligibility of an assertion, which are looked at here, and the counter, which the library
 * would judge before the signature: the decision does that (use-factor.ts).
 */

/** EdDSA, ES256, RS256, in the order they are preferred in. */
export const ALGORITHMS = [-8, -7, -257] as const;
/** How long an authenticator is given, ms; as long as a challenge is good. */
export const CHALLENGE_LIFE_MS = 5 * 60_000;
const FORMATS = ["none", "packed"];
/** The least modulus of an RSA key, bytes. */
const RSA_BYTES = 256;
/** COSE labels (RFC 9053, RFC 8230): the key's type, its algorithm, the modulus of an RSA key; and the type RSA. */
const COSE = { kty: 1, alg: 3, n: -1, rsa: 3 } as const;

/** Why a registration is not taken, in words for who builds the client: nothing of it is secret. */
export class PasskeyError extends Error {
  override readonly name = "PasskeyError";
}

/** A challenge or an id as JSON carries it. */
export const toBase64Url = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");
/** An array buffer of its own, as the library's types want it. */
export const fromBase64Url = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(text, "base64url"));

export interface CreationAsked {
  readonly challenge: Uint8Array;
  /** What the authenticator shows the person to tell accounts apart. */
  readonly userName: string;
  readonly existing: readonly PasskeyFactor[];
  /** A key that stays on its device is asked for, with a statement about the authenticator. */
  readonly deviceBound: boolean;
}

/** `PublicKeyCredentialCreationOptionsJSON` for a new passkey of a subject. */
export async function creationOptions(rp: RelyingParty, subject: Subject, asked: CreationAsked): Promise<JsonObject> {
  const options = await generateRegistrationOptions({
    rpName: rp.name,
    rpID: rp.id,
    userName: asked.userName,
    userDisplayName: asked.userName,
    userID: Uint8Array.from(Buffer.from(subject.id)),
    challenge: Uint8Array.from(asked.challenge),
    timeout: CHALLENGE_LIFE_MS,
    attestationType: asked.deviceBound ? "direct" : "none",
    excludeCredentials: asked.existing.map(({ credential_id, transports }) => ({ id: credential_id, transports: [...transports] })),
    authenticatorSelection: { residentKey: "preferred", userVerification: "required" },
    supportedAlgorithmIDs: [...ALGORITHMS],
  });
  return JSON.parse(JSON.stringify(options)) as JsonObject;
}

/** `PublicKeyCredentialRequestOptionsJSON` that any of these passkeys may answer. */
export async function requestOptions(rp: RelyingParty, challenge: Uint8Array, passkeys: readonly PasskeyFactor[]): Promise<JsonObject> {
  const options = await generateAuthenticationOptions({
    rpID: rp.id,
    challenge: Uint8Array.from(challenge),
    timeout: CHALLENGE_LIFE_MS,
    userVerification: "required",
    allowCredentials: passkeys.map(({ credential_id, transports }) => ({ id: credential_id, transports: [...transports] })),
  });
  return JSON.parse(JSON.stringify(options)) as JsonObject;
}

/** What a new passkey is stored as. */
export type NewPasskey = Pick<
  PasskeyFactor,
  "credential_id" | "public_key" | "algorithm" | "counter" | "transports" | "aaguid" | "attestation" | "backup_eligible" | "backed_up"
>;

/** Verifies a registration (WebAuthn section 7.1). @throws PasskeyError when it is not good, with the reason */
export async function verifyCreation(rp: RelyingParty, challenge: string, response: JsonObject): Promise<NewPasskey> {
  const answer = response as unknown as RegistrationResponseJSON;
  const verified = await rejecting(async () => {
    refuseFrames(answer.response.clientDataJSON);
    return verifyRegistrationResponse({
      response: answer,
      expectedChallenge: challenge,
      expectedOrigin: [...rp.origins],
      expectedRPID: rp.id,
      expectedType: "webauthn.create",
      requireUserVerification: true,
      supportedAlgorithmIDs: [...ALGORITHMS],
    });
  });
  if (!verified.verified) throw new PasskeyError("The attestation's signature is not valid.");
  const { fmt, credential, aaguid, credentialDeviceType, credentialBackedUp } = verified.registrationInfo;
  if (!FORMATS.includes(fmt)) throw new PasskeyError(`The attestation format is none of ${FORMATS.join(", ")}.`);
  return {
    credential_id: credential.id,
    public_key: toBase64Url(credential.publicKey),
    algorithm: algorithmOf(credential.publicKey),
    counter: credential.counter,
    transports: transportsOf(credential.transports),
    aaguid,
    attestation: fmt === "packed" ? "packed" : "none",
    backup_eligible: credentialDeviceType === "multiDevice",
    backed_up: credentialBackedUp,
  };
}

/** What is known of an assertion that verified. */
export interface Assertion {
  readonly counter: number;
  readonly backedUp: boolean;
  /** SHA-256 (base64url) over authenticator data and client data: what the signature is of. */
  readonly digest: string;
}

/** Verifies an assertion by this passkey (WebAuthn section 7.2) except for its counter. @throws PasskeyError when it is not good */
export async function verifyAssertion(
  rp: RelyingParty,
  subject: Subject,
  challenge: Uint8Array,
  passkey: PasskeyFactor,
  response: JsonObject,
): Promise<Assertion> {
  const answer = response as unknown as AuthenticationResponseJSON;
  const { verified, authenticationInfo: info } = await rejecting(async () => {
    refuseFrames(answer.response.clientDataJSON);
    return verifyAuthenticationResponse({
      response: answer,
      expectedChallenge: toBase64Url(challenge),
      expectedOrigin: [...rp.origins],
      expectedRPID: rp.id,
      expectedType: "webauthn.get",
      requireUserVerification: true,
      // The stored counter is kept from the library: it would be judged before the signature, by whoever sends anything.
      credential: { id: passkey.credential_id, publicKey: fromBase64Url(passkey.public_key), counter: 0 },
    });
  });
  if (!verified) throw new PasskeyError("The signature is not valid.");
  const { userHandle, authenticatorData, clientDataJSON } = answer.response;
  if (userHandle !== undefined && userHandle !== null && Buffer.from(userHandle, "base64url").toString() !== subject.id)
    throw new PasskeyError("The passkey is another's.");
  if ((info.credentialDeviceType === "multiDevice") !== passkey.backup_eligible)
    throw new PasskeyError("The backup eligibility is not the one of the registration.");
  const digest = hash("sha256", `${authenticatorData}.${clientDataJSON}`, "base64url");
  return { counter: info.newCounter, backedUp: info.credentialBackedUp, digest };
}

/** The challenge that a response answers, as far as it says; nothing of it is verified. */
export function challengeIn(response: JsonObject): string | undefined {
  try {
    const { clientDataJSON } = (response as unknown as AuthenticationResponseJSON).response;
    const { challenge } = JSON.parse(Buffer.from(clientDataJSON, "base64url").toString()) as { challenge?: unknown };
    return typeof challenge === "string" ? challenge : undefined;
  } catch {
    return undefined;
  }
}

/** Whatever the library throws over what it was sent is a refusal: none of it is our doing. */
async function rejecting<T>(verify: () => Promise<T>): Promise<T> {
  try {
    return await verify();
  } catch (error) {
    throw new PasskeyError(error instanceof Error ? error.message.slice(0, 200) : "not valid", { cause: error });
  }
}

/** A page in another page's frame may be dressed as anything. */
function refuseFrames(clientDataJSON: string): void {
  const { crossOrigin } = JSON.parse(Buffer.from(clientDataJSON, "base64url").toString()) as { crossOrigin?: unknown };
  if (crossOrigin === true) throw new PasskeyError("Passkeys are not taken from frames of other origins.");
}

function algorithmOf(publicKey: Uint8Array<ArrayBuffer>): number {
  // The library's type names only the members that all keys have.
  const key = decodeCredentialPublicKey(publicKey) as unknown as ReadonlyMap<number, unknown>;
  if (key.get(COSE.kty) === COSE.rsa) {
    const modulus = key.get(COSE.n);
    if (!(modulus instanceof Uint8Array) || modulus.length < RSA_BYTES) throw new PasskeyError("The RSA key is shorter than 2048 bits.");
  }
  return Number(key.get(COSE.alg));
}

const TRANSPORTS = ["ble", "cable", "hybrid", "internal", "nfc", "smart-card", "usb"];

/** The client's hints, as far as they are known ones: they are sent back to other clients. */
function transportsOf(transports: readonly string[] | undefined): readonly string[] {
  return TRANSPORTS.filter((one) => transports?.includes(one) === true);
}
