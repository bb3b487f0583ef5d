import type { KeyObject } from "node:crypto";
import { X509Certificate, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { isIPv4 } from "node:net";

/** A certificate with its key, as files hold them. */
export interface Issued {
  readonly certificate: string;
  readonly key: string;
  /** SHA-256 of the DER form, 64 hexadecimal digits. */
  readonly sha256: string;
}

export interface Asked {
  readonly name: string;
  /** Extended key usage; none at all for `undefined`. */
  readonly usage?: "server" | "client" | undefined;
  /** DNS names and IPv4 addresses. */
  readonly hosts?: readonly string[];
  /** Milliseconds; a day before and after now where absent. */
  readonly from?: number;
  readonly until?: number;
  /** An RSA key of so many bits instead of P-256. */
  readonly rsaBits?: number;
  readonly isAuthority?: boolean;
}

export interface Authority extends Issued {
  issue(asked: Asked): Issued;
  /** An authority below this one. */
  intermediate(name: string): Authority;
}

const DAY_MS = 86_400_000;
const OIDS = {
  commonName: "2.5.4.3",
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
  rsaWithSha256: "1.2.840.113549.1.1.11",
  basicConstraints: "2.5.29.19",
  keyUsage: "2.5.29.15",
  extendedKeyUsage: "2.5.29.37",
  subjectAltName: "2.5.29.17",
  server: "1.3.6.1.5.5.7.3.1",
  client: "1.3.6.1.5.5.7.3.2",
};

// DER (ITU-T X.690), as much of it as a certificate needs.
function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  const long = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...long]), content]);
}
const sequence = (...parts: readonly Uint8Array[]): Buffer => der(0x30, ...parts);
const octets = (content: Uint8Array): Buffer => der(0x04, content);
const bits = (content: Uint8Array): Buffer => der(0x03, Buffer.from([0]), content);
const yes = der(0x01, Buffer.from([0xff]));
const none = der(0x05);

function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split(".").map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const groups = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return der(0x06, Buffer.from(bytes));
}

function time(ms: number): Buffer {
  // GeneralizedTime: YYYYMMDDHHMMSSZ.
  const text = `${new Date(ms).toISOString().slice(0, 19).replaceAll(/[-:T]/g, "")}Z`;
  return der(0x18, Buffer.from(text));
}

const nameOf = (text: string): Buffer => sequence(der(0x31, sequence(oid(OIDS.commonName), der(0x0c, Buffer.from(text)))));

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  return critical ? sequence(oid(id), yes, octets(value)) : sequence(oid(id), octets(value));
}

function extensionsOf({ usage, hosts = [], isAuthority = false }: Asked): Buffer {
  const parts = [
    extension(OIDS.basicConstraints, true, isAuthority ? sequence(yes) : sequence()),
    // keyCertSign, or digitalSignature.
    extension(OIDS.keyUsage, true, der(0x03, Buffer.from(isAuthority ? [2, 0x04] : [7, 0x80]))),
  ];
  if (usage !== undefined) parts.push(extension(OIDS.extendedKeyUsage, false, sequence(oid(OIDS[usage]))));
  const names = hosts.map((host) => (isIPv4(host) ? der(0x87, Buffer.from(host.split(".").map(Number))) : der(0x82, Buffer.from(host))));
  if (names.length > 0) parts.push(extension(OIDS.subjectAltName, false, sequence(...names)));
  return der(0xa3, sequence(...parts));
}

function keyPair(rsaBits: number | undefined): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } {
  if (rsaBits !== undefined) return generateKeyPairSync("rsa", { modulusLength: rsaBits });
  return generateKeyPairSync("ec", { namedCurve: "P-256" });
}

interface Issuer {
  readonly name: string;
  readonly privateKey: KeyObject;
}

function issue(asked: Asked, by: Issuer | undefined): Issued & { readonly privateKey: KeyObject } {
  const { publicKey, privateKey } = keyPair(asked.rsaBits);
  const issuer = by ?? { name: asked.name, privateKey };
  const rsa = issuer.privateKey.asymmetricKeyType === "rsa";
  const algorithm = rsa ? sequence(oid(OIDS.rsaWithSha256), none) : sequence(oid(OIDS.ecdsaWithSha256));
  const serial = randomBytes(12);
  // Positive, and without a leading zero byte.
  serial[0] = 0x40;
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, serial),
    algorithm,
    nameOf(issuer.name),
    sequence(time(asked.from ?? Date.now() - DAY_MS), time(asked.until ?? Date.now() + DAY_MS)),
    nameOf(asked.name),
    publicKey.export({ type: "spki", format: "der" }),
    extensionsOf(asked),
  );
  const x509 = new X509Certificate(sequence(body, algorithm, bits(sign("sha256", body, issuer.privateKey))));
  return {
    certificate: x509.toString(),
    key: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
    sha256: x509.fingerprint256.replaceAll(":", "").toLowerCase(),
    privateKey,
  };
}

function authorityOver(name: string, by: Issuer | undefined): Authority {
  const own = issue({ name, isAuthority: true }, by);
  const issuer = { name, privateKey: own.privateKey };
  return {
    certificate: own.certificate,
    key: own.key,
    sha256: own.sha256,
    issue: (asked) => issue(asked, issuer),
    intermediate: (below) => authorityOver(below, issuer),
  };
}

/** A certificate authority of its own, made here and now: no tool of the machine is asked. */
export function makeAuthority(name: string): Authority {
  return authorityOver(name, undefined);
}

/** A certificate that nobody else vouches for. */
export function selfSigned(asked: Asked): Issued {
  return issue(asked, undefined);
}
