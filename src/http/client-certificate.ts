import type { X509Certificate } from "node:crypto";
import type { Server } from "node:http";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Logger } from "pino";

/** Extended key usage: authenticates clients (RFC 5280 section 4.2.1.12). */
const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";
const CERTIFICATE = Symbol("certificate");

interface ClientCertificate {
  /** SHA-256 of the DER form, 64 hexadecimal digits. */
  readonly sha256: string;
  /** Milliseconds. */
  readonly validUntil: number;
}
type Certified = Socket & { [CERTIFICATE]?: ClientCertificate };

/**
 * Looks at the client's certificate once a connection. OpenSSL has checked its chain and dates by then; it lets certificates
 * without any extended key usage pass, which are refused here. A connection with a bad certificate is closed, even where none
 * is needed: who presents one means to be known by it.
 */
export function watchClientCertificates(server: Server, logger: Logger): void {
  server.on("secureConnection", (socket: TLSSocket & Certified) => {
    const presented = socket.getPeerX509Certificate();
    if (presented === undefined) return;
    if (!socket.authorized || !authenticatesClients(presented)) {
      logger.info({ reason: socket.authorized ? "KEY_USAGE" : String(socket.authorizationError) }, "client certificate refused");
      socket.destroy();
      return;
    }
    socket[CERTIFICATE] = { sha256: thumbprintOf(presented), validUntil: presented.validToDate.getTime() };
  });
}

/** The thumbprint of the client's certificate on this connection; undefined without one, or when it has expired since. */
export function clientThumbprint(socket: Socket, now: number): string | undefined {
  const certificate = (socket as Certified)[CERTIFICATE];
  return certificate === undefined || certificate.validUntil <= now ? undefined : certificate.sha256;
}

function authenticatesClients(certificate: X509Certificate): boolean {
  // Node names the extended key usages like this; the type says that there may be none.
  const usages = certificate.keyUsage as readonly string[] | undefined;
  return usages?.includes(CLIENT_AUTH) === true;
}

function thumbprintOf(certificate: X509Certificate): string {
  return certificate.fingerprint256.replaceAll(":", "").toLowerCase();
}
