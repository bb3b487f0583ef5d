import { createHash, generateKeyPairSync, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";
import type { JsonObject } from "#kernel/json.ts";
import type { Cbor } from "./cbor.ts";
import { encodeCbor } from "./cbor.ts";

/*
 * An authenticator and a browser in one, in software (WebAuthn Level 3): makes passkeys and signs with them, correctly unless
 * told otherwise. For tests; keys lie open in memory.
 */

export type Algorithm = "ES256" | "EdDSA" | "RS256";

/** What one ceremony does differently from a correct one. Each knob alone has to be noticed by whoever verifies. */
export interface Knobs {
  readonly origin?: string;
  readonly rpId?: string;
  /** base64url, in the place of the one in the options. */
  readonly challenge?: string;
  /** `webauthn.create` or `webauthn.get`. */
  readonly type?: string;
  readonly crossOrigin?: boolean;
  /** User present, user verified, backup eligible, backup state. */
  readonly up?: boolean;
  readonly uv?: boolean;
  readonly be?: boolean;
  readonly bs?: boolean;
  readonly counter?: number;
  readonly tamper?: "signature" | "authenticatorData" | "clientData";
  /** base64url. */
  readonly credentialId?: string;
  /** base64url; `null` sends none. */
  readonly userHandle?: string | null;
  /** What the attestation calls itself. */
  readonly format?: string;
}

export interface AuthenticatorOptions {
  readonly algorithm?: Algorithm;
  readonly attestation?: "none" | "packed";
  /** Default `http://localhost:8080`. */
  readonly origin?: string;
  /** Synced passkeys are backup eligible and always say counter 0. Default: bound to the device, and it counts. */
  readonly synced?: boolean;
  /** Of an RSA key; default 2048. */
  readonly rsaBits?: number;
}

export interface SoftwareAuthenticator {
  /** base64url; the empty text before `create`. */
  readonly credentialId: string;
  /** How often it has signed. Tests may set it back, as a copy of the device would. */
  counter: number;
  /** Answers `PublicKeyCredentialCreationOptionsJSON` with `RegistrationResponseJSON`. Makes a new key each time. */
  create(options: JsonObject, knobs?: Knobs): JsonObject;
  /** Answers `PublicKeyCredentialRequestOptionsJSON` with `AuthenticationResponseJSON`. */
  get(options: JsonObject, knobs?: Knobs): JsonObject;
}

const COSE_ALGORITHM = { ES256: -7, EdDSA: -8, RS256: -257 } as const;
const FLAG = { up: 1, uv: 4, be: 8, bs: 16, at: 64 } as const;
const AAGUID = Buffer.from("5afe0000000040008000000000000001", "hex");
const DEFAULT_ORIGIN = "http://localhost:8080";

const sha256 = (data: Uint8Array | string): Buffer => createHash("sha256").update(data).digest();
const base64url = (data: Uint8Array | string): string => Buffer.from(data).toString("base64url");
const bytes = (text: string | undefined): Buffer => Buffer.from(text ?? "", "base64url");
const textAt = (options: JsonObject, ...path: readonly string[]): string => {
  let value: unknown = options;
  for (const name of path) value = (value as Record<string, unknown> | undefined)?.[name];
  return typeof value === "string" ? value : "";
};

/** Makes an authenticator with no passkey yet. */
export function softwareAuthenticator(options: AuthenticatorOptions = {}): SoftwareAuthenticator {
  const { algorithm = "ES256", attestation = "none", origin = DEFAULT_ORIGIN, synced = false, rsaBits = 2048 } = options;
  let key: KeyObject | undefined;
  let id: Buffer = Buffer.alloc(0);
  let userHandle = "";
  let rpId = "";

  const clientData = (type: string, given: JsonObject, knobs: Knobs): Buffer =>
    Buffer.from(
      JSON.stringify({
        type: knobs.type ?? type,
        challenge: knobs.challenge ?? textAt(given, "challenge"),
        origin: knobs.origin ?? origin,
        crossOrigin: knobs.crossOrigin ?? false,
      }),
    );

  const authenticatorData = (knobs: Knobs, attested?: Buffer): Buffer => {
    const { up = true, uv = true, be = synced, bs = synced } = knobs;
    const flags = [up && FLAG.up, uv && FLAG.uv, be && FLAG.be, bs && FLAG.bs, attested !== undefined && FLAG.at];
    const head = Buffer.alloc(5);
    head.writeUInt8(flags.reduce<number>((sum, flag) => sum + (flag === false ? 0 : flag), 0));
    head.writeUInt32BE(knobs.counter ?? (synced ? 0 : self.counter), 1);
    return Buffer.concat([sha256(knobs.rpId ?? rpId), head, attested ?? Buffer.alloc(0)]);
  };

  const signed = (data: Buffer, client: Buffer, knobs: Knobs): Buffer => {
    if (key === undefined) throw new Error("this authenticator has no passkey yet");
    const signature = sign(algorithm === "EdDSA" ? null : "sha256", Buffer.concat([data, sha256(client)]), key);
    return knobs.tamper === "signature" ? flipped(signature) : signature;
  };

  const self: SoftwareAuthenticator = {
    counter: synced ? 0 : 1,
    get credentialId() {
      return base64url(id);
    },
    create(given, knobs = {}) {
      const pair = newKeys(algorithm, rsaBits);
      key = pair.privateKey;
      // As random as the key that it is made of.
      id = sha256(pair.publicKey.export({ type: "spki", format: "der" }));
      userHandle = textAt(given, "user", "id");
      rpId = textAt(given, "rp", "id");
      const client = clientData("webauthn.create", given, knobs);
      const shown = knobs.credentialId === undefined ? id : bytes(knobs.credentialId);
      const length = Buffer.alloc(2);
      length.writeUInt16BE(shown.length);
      const data = authenticatorData(knobs, Buffer.concat([AAGUID, length, shown, encodeCbor(coseKey(algorithm, pair.publicKey))]));
      const statement: ReadonlyMap<string, Cbor> =
        attestation === "none"
          ? new Map()
          : new Map<string, Cbor>([
              ["alg", COSE_ALGORITHM[algorithm]],
              ["sig", signed(data, client, knobs)],
            ]);
      const attestationObject = encodeCbor(
        new Map<string, Cbor>([
          ["fmt", knobs.format ?? attestation],
          ["attStmt", statement],
          ["authData", knobs.tamper === "authenticatorData" ? flipped(data) : data],
        ]),
      );
      return {
        id: base64url(shown),
        rawId: base64url(shown),
        type: "public-key",
        authenticatorAttachment: "platform",
        clientExtensionResults: {},
        response: {
          clientDataJSON: base64url(knobs.tamper === "clientData" ? Buffer.concat([client, Buffer.from(" ")]) : client),
          attestationObject: base64url(attestationObject),
          transports: ["internal"],
        },
      };
    },
    get(given, knobs = {}) {
      if (!synced) self.counter += 1;
      rpId = textAt(given, "rpId");
      const client = clientData("webauthn.get", given, knobs);
      const data = authenticatorData(knobs);
      const handle = knobs.userHandle === undefined ? userHandle : knobs.userHandle;
      const signature = signed(data, client, knobs);
      const shown = knobs.credentialId ?? base64url(id);
      return {
        id: shown,
        rawId: shown,
        type: "public-key",
        authenticatorAttachment: "platform",
        clientExtensionResults: {},
        response: {
          clientDataJSON: base64url(knobs.tamper === "clientData" ? Buffer.concat([client, Buffer.from(" ")]) : client),
          authenticatorData: base64url(knobs.tamper === "authenticatorData" ? flipped(data) : data),
          signature: base64url(signature),
          ...(handle === null ? {} : { userHandle: handle }),
        },
      };
    },
  };
  return self;
}

/** The same bytes but for the last bit. */
function flipped(data: Buffer): Buffer {
  const copy = Buffer.from(data);
  copy[copy.length - 1] = (copy[copy.length - 1] ?? 0) ^ 1;
  return copy;
}

function newKeys(algorithm: Algorithm, rsaBits: number): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } {
  if (algorithm === "ES256") return generateKeyPairSync("ec", { namedCurve: "P-256" });
  return algorithm === "EdDSA" ? generateKeyPairSync("ed25519") : generateKeyPairSync("rsa", { modulusLength: rsaBits });
}

/** A public key as COSE writes it (RFC 9053, RFC 8230). */
function coseKey(algorithm: Algorithm, publicKey: KeyObject): ReadonlyMap<number, Cbor> {
  const jwk = publicKey.export({ format: "jwk" });
  const alg: [number, Cbor] = [3, COSE_ALGORITHM[algorithm]];
  if (algorithm === "RS256") return new Map<number, Cbor>([[1, 3], alg, [-1, bytes(jwk.n)], [-2, bytes(jwk.e)]]);
  if (algorithm === "EdDSA") return new Map<number, Cbor>([[1, 1], alg, [-1, 6], [-2, bytes(jwk.x)]]);
  return new Map<number, Cbor>([[1, 2], alg, [-1, 1], [-2, bytes(jwk.x)], [-3, bytes(jwk.y)]]);
}
