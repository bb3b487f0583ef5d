import type { KeyObject } from "node:crypto";
import { X509Certificate, constants, createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import type { SecureContextOptions, TlsOptions } from "node:tls";
import { createSecureContext } from "node:tls";

export interface TlsFiles {
  /** The server's certificate, then those between it and the authority. PEM. */
  readonly certificateFile: string;
  /** Its private key, not encrypted. PEM. */
  readonly keyFile: string;
  /** The authorities whose client certificates are accepted. PEM. Without it none are asked for. */
  readonly clientCaFile: string | undefined;
  /** Whether a connection without a client certificate is closed. */
  readonly clientCertificate: "optional" | "required";
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
}

/** What a listener needs to speak TLS. Made by `readTls` only. */
export type TlsSettings = SecureContextOptions & Pick<TlsOptions, "requestCert" | "rejectUnauthorized" | "ALPNProtocols">;

/** Forward secrecy and authenticated encryption only (RFC 9325 section 4.2); nothing with CBC, RSA key exchange or SHA-1. */
const SUITES = [
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "TLS_AES_128_GCM_SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
];
/** The first is a hybrid of X25519 and ML-KEM: what is recorded today stays closed to the quantum computers of tomorrow. */
const GROUPS = ["X25519MLKEM768", "X25519", "P-256", "P-384"];
const MIN_RSA_BITS = 2048;
const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/**
 * Reads and checks the files of a TLS listener.
 * @param now milliseconds; the certificate must be valid then
 * @throws Error whose message is the one line that the operator sees
 */
export function readTls(files: TlsFiles, now: number): TlsSettings {
  const { certificateFile, keyFile, clientCaFile, minVersion } = files;
  const cert = readText(certificateFile, "certificate");
  const chain = certificatesIn(cert, certificateFile);
  const key = readText(keyFile, "key");
  checkChain(chain, privateKeyIn(key, keyFile), files, now);
  const secureOptions = constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_COMPRESSION;
  const settings: TlsSettings = {
    cert,
    key,
    minVersion,
    ciphers: SUITES.join(":"),
    ecdhCurve: GROUPS.join(":"),
    honorCipherOrder: true,
    secureOptions,
    ALPNProtocols: ["http/1.1"],
  };
  const complete = clientCaFile === undefined ? settings : { ...settings, ...clientSettings(files, clientCaFile, secureOptions) };
  try {
    createSecureContext(complete);
  } catch (error) {
    throw new Error(`the TLS certificate in ${certificateFile} cannot be used: ${reasonOf(error)}`, { cause: error });
  }
  return complete;
}

function clientSettings({ clientCertificate }: TlsFiles, file: string, secureOptions: number): Partial<TlsSettings> {
  const ca = readText(file, "client CA");
  if (!certificatesIn(ca, file).every((certificate) => certificate.ca))
    throw new Error(`the TLS client CA file ${file} has a certificate that is no authority's`);
  return {
    ca,
    requestCert: true,
    // Optional ones are judged by `watchClientCertificates`.
    rejectUnauthorized: clientCertificate === "required",
    // A resumed session would not check the client's certificate again.
    secureOptions: secureOptions | constants.SSL_OP_NO_TICKET,
  };
}

function readText(file: string, what: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new Error(`the TLS ${what} file ${file} cannot be read: ${reasonOf(error)}`, { cause: error });
  }
}

function certificatesIn(pem: string, file: string): readonly X509Certificate[] {
  const blocks = pem.match(PEM_CERTIFICATE) ?? [];
  if (blocks.length === 0) throw new Error(`the file ${file} has no certificate in PEM form`);
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch (error) {
    throw new Error(`the file ${file} has a certificate that cannot be read`, { cause: error });
  }
}

function privateKeyIn(pem: string, file: string): KeyObject {
  if (/ENCRYPTED/.test(pem)) throw new Error(`the TLS key file ${file} is encrypted; it must hold the key itself, with mode 0600`);
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw new Error(`the TLS key file ${file} has no private key in PEM form`, { cause: error });
  }
}

function checkChain(chain: readonly X509Certificate[], key: KeyObject, { certificateFile, keyFile }: TlsFiles, now: number): void {
  const [own] = chain;
  const fail = (why: string): never => {
    throw new Error(`the TLS certificate in ${certificateFile} ${why}`);
  };
  if (own === undefined || !own.checkPrivateKey(key)) return fail(`does not belong to the key in ${keyFile}`);
  for (const [index, certificate] of chain.entries()) {
    const which = index === 0 ? "" : `has a chain that `;
    if (certificate.validToDate.getTime() <= now) fail(`${which}expired on ${certificate.validToDate.toISOString()}`);
    if (certificate.validFromDate.getTime() > now) fail(`${which}is not valid before ${certificate.validFromDate.toISOString()}`);
    const { asymmetricKeyType, asymmetricKeyDetails } = certificate.publicKey;
    if (asymmetricKeyType?.startsWith("rsa") === true && (asymmetricKeyDetails?.modulusLength ?? 0) < MIN_RSA_BITS)
      fail(`${which}has an RSA key of less than ${MIN_RSA_BITS} bits`);
    const issuer = chain[index + 1];
    if (issuer !== undefined && !(certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)))
      fail("has a chain in the wrong order: each certificate must be signed by the one after it");
  }
  const usages = own.keyUsage as readonly string[] | undefined;
  if (usages?.includes(SERVER_AUTH) === false) fail("is not one for servers (extended key usage)");
}

/** The code of an error of the system, or its message in one line. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  return (error as NodeJS.ErrnoException).code ?? error.message.split("\n")[0] ?? "unknown";
}
