/** Why a call was not made, or what it failed with. */
export const outboundReasons = [
  // Refused before anything was sent
  "invalid_url",
  "scheme_not_allowed",
  "credentials_in_url",
  "host_not_allowed",
  "port_not_allowed",
  "address_not_allowed",
  "invalid_header",
  "busy",
  "closed",
  "unresolvable",
  // Something may have been sent
  "connection_failed",
  "tls_failed",
  "redirected",
  "response_too_large",
  "timed_out",
] as const;

export type OutboundReason = (typeof outboundReasons)[number];

export interface OutboundRefusal {
  readonly ok: false;
  readonly reason: OutboundReason;
  /** The status of a redirect, or of an answer of which the body is too large, breaks off or does not end in time. */
  readonly status?: number;
  /** The headers of such an answer, as in one that is whole; never those of a redirect. */
  readonly headers?: OutboundAnswer["headers"];
  /** The error's code where there is one (`ECONNREFUSED`, `CERT_HAS_EXPIRED`); never text of the other side. */
  readonly code?: string;
}

export interface OutboundAnswer {
  readonly ok: true;
  /** 200 to 599, never a redirect. */
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Decoded from no content coding: the client asks for none. */
  readonly body: Buffer;
}

export interface OutboundRequest {
  readonly url: string;
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** One address of a name. */
export interface ResolvedAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

/** Finds the addresses of a name; none when it has none. Rejects when it cannot be found out. */
export type Resolve = (hostname: string) => Promise<readonly ResolvedAddress[]>;

export interface OutboundLimits {
  /** From the call to the last byte of the answer, ms. */
  readonly totalMs: number;
  /** The largest body of an answer, bytes. */
  readonly responseBytes: number;
  /** The largest head of an answer, bytes. */
  readonly headerBytes: number;
  /** Calls at once; further ones are refused as `busy`, since only the caller knows how to wait. */
  readonly inFlight: number;
  /** Calls at once to one host and port. */
  readonly inFlightPerHost: number;
  /** How long an idle connection is kept, ms. */
  readonly idleMs: number;
}

export interface Outbound {
  /** Makes one call. Never rejects: what goes wrong is a returned refusal. Repeating is the caller's business. */
  request(request: OutboundRequest): Promise<OutboundAnswer | OutboundRefusal>;
  /** Closes idle connections; later calls are refused as `closed`. Calls under way end within their own time. */
  close(): void;
}
