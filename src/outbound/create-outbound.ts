import { constants } from "node:crypto";
import { Agent as HttpAgent, request as httpRequest } from "node:http";
import type { IncomingMessage, RequestOptions } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { TLSSocket } from "node:tls";
import type { Outbound, OutboundAnswer, OutboundLimits, OutboundReason, OutboundRefusal, OutboundRequest, Resolve } from "./contract.ts";
import { OutboundError, guardedLookup } from "./guarded-lookup.ts";
import { createResolve } from "./resolve.ts";
import { checkTarget } from "./target.ts";

export const outboundDefaults: OutboundLimits = {
  totalMs: 10_000,
  responseBytes: 64 * 1024,
  headerBytes: 16 * 1024,
  inFlight: 1_024,
  inFlightPerHost: 64,
  idleMs: 5_000,
};

/** Idle connections kept to one host and port. */
const KEPT_PER_HOST = 16;
/** Idle connections kept to all together; what is over is closed after its call. */
const KEPT = 256;
/** What a call takes beside twice the largest answer, bytes: answers before the answer (100 to 199), how it is cut in pieces. */
const ROUND_ABOUT = 64 * 1024;
/** How often a call looks at what TLS has taken, which tells nobody of what it keeps to itself, ms. */
const LOOK_MS = 100;
/** Tickets to take a session up again that one connection takes. A server of TLS 1.3 has any number of these, too; two are usual. */
const MOST_TICKETS = 32;
/** How many addresses of a name get a share of a call's time to be connected to. */
const ATTEMPTS = 4;

export interface OutboundOptions {
  /** The name servers of the machine where absent. */
  readonly resolve?: Resolve;
  readonly limits?: Partial<OutboundLimits>;
  /** Lets http and loopback pass, never private networks. For tests and development only. */
  readonly development?: boolean;
  /** Certificates to trust beside none other, PEM. The system's where absent. */
  readonly trust?: string;
}

/** What frames a message or names its target is this client's to say. */
const OWN_HEADERS: ReadonlySet<string> = new Set([
  "host",
  "connection",
  "keep-alive",
  "content-length",
  "transfer-encoding",
  "accept-encoding",
  "te",
  "trailer",
  "upgrade",
  "expect",
  "proxy-authorization",
  "proxy-connection",
]);
const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$/;
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]{0,4096}$/;

/**
 * The one way out of this house: an HTTPS client for addresses that strangers give us. It reaches the public internet only,
 * follows no redirect, and bounds everything: time, sizes, connections. Connections are kept and used again; a kept one still
 * leads to the address that was judged when it was made.
 */
export function createOutbound(options: OutboundOptions = {}): Outbound {
  const limits: OutboundLimits = { ...outboundDefaults, ...options.limits };
  const development = options.development === true;
  const lookup = guardedLookup(options.resolve ?? createResolve(), development);
  const pool = {
    keepAlive: true,
    maxSockets: limits.inFlightPerHost,
    // No maxTotalSockets: it counts the idle sockets of all hosts, so who has many names could leave a new host waiting until
    // its call times out. `inFlight` bounds the sockets in use, `KEPT` those that are not.
    maxFreeSockets: KEPT_PER_HOST,
    timeout: limits.idleMs,
    scheduling: "lifo" as const,
    // Of a name with several addresses each is given up for the next one after this time, and is not come back to. A quarter of a second, as
    // it is unless said, is less than a far or busy host takes, and the last address may be of a family that this machine has no way to.
    autoSelectFamilyAttemptTimeout: Math.max(1, Math.ceil(limits.totalMs / ATTEMPTS)),
  };
  const https = new HttpsAgent({
    ...pool,
    // Said here, because an environment variable could say otherwise.
    rejectUnauthorized: true,
    minVersion: "TLSv1.2",
    // A server of TLS 1.2 could ask for a further handshake as soon as one is done, and this thread does nothing else then.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    ...(options.trust === undefined ? {} : { ca: options.trust }),
  });
  const http = new HttpAgent(pool);
  boundTickets(https);
  boundIdle(https);
  boundIdle(http);
  const perHost = new Map<string, number>();
  let inFlight = 0;
  let closed = false;

  function leave(host: string): void {
    inFlight -= 1;
    const left = (perHost.get(host) ?? 1) - 1;
    if (left === 0) perHost.delete(host);
    else perHost.set(host, left);
    if (closed && inFlight === 0) destroyAgents();
  }

  function destroyAgents(): void {
    https.destroy();
    http.destroy();
  }

  return {
    async request(asked) {
      if (closed) return { ok: false, reason: "closed" };
      const target = checkTarget(asked.url, { development });
      if (!target.ok) return target;
      const headers = headersOf(asked);
      if (headers === undefined) return { ok: false, reason: "invalid_header" };
      const { url } = target;
      const sameHost = perHost.get(url.host) ?? 0;
      if (inFlight >= limits.inFlight || sameHost >= limits.inFlightPerHost) return { ok: false, reason: "busy" };
      inFlight += 1;
      perHost.set(url.host, sameHost + 1);
      try {
        const secure = url.protocol === "https:";
        const wire = { method: asked.method, headers, lookup, agent: secure ? https : http, maxHeaderSize: limits.headerBytes };
        return await call(secure ? httpsRequest : httpRequest, url, wire, asked.body, limits);
      } finally {
        leave(url.host);
      }
    },
    close() {
      closed = true;
      // Sockets in use end with their calls.
      if (inFlight === 0) destroyAgents();
    },
  };
}

/** Bounds what a connection can be told after its handshake, by giving the connection up. */
function boundTickets(agent: HttpsAgent): void {
  const create = agent.createConnection.bind(agent);
  agent.createConnection = (options, callback) => {
    const socket = create(options, callback);
    let tickets = 0;
    socket?.on("session", () => {
      tickets += 1;
      if (tickets > MOST_TICKETS) socket.destroy(new OutboundError("tls_failed"));
    });
    return socket;
  };
}

/** Bounds the idle sockets of all hosts; the agent's own `maxFreeSockets` is for each host. */
function boundIdle(agent: HttpAgent): void {
  const keep = agent.keepSocketAlive.bind(agent);
  agent.keepSocketAlive = (socket) => {
    let idle = 0;
    for (const sockets of Object.values(agent.freeSockets)) idle += sockets?.length ?? 0;
    return idle < KEPT && keep(socket);
  };
}

/** The headers to send, or undefined when one of them is not for the caller to say or no header at all. */
function headersOf({ headers = {}, body }: OutboundRequest): Record<string, string | number> | undefined {
  const wire: Record<string, string | number> = {};
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase();
    if (OWN_HEADERS.has(lower) || !HEADER_NAME.test(name) || !HEADER_VALUE.test(value)) return undefined;
    wire[lower] = value;
  }
  // A compressed answer would have to be unpacked to be measured.
  wire["accept-encoding"] = "identity";
  if (body !== undefined) wire["content-length"] = Buffer.byteLength(body);
  return wire;
}

/** Sends one request and reads its answer. Never rejects, and ends within `totalMs`. */
function call(
  send: typeof httpsRequest,
  url: URL,
  wire: RequestOptions & { maxHeaderSize: number },
  body: string | Buffer | undefined,
  limits: OutboundLimits,
): Promise<OutboundAnswer | OutboundRefusal> {
  return new Promise((resolve) => {
    const sent = send(url, wire);
    /** Of the answer, once it is there. Whatever its body comes to, it stands. */
    let head: Pick<OutboundAnswer, "status" | "headers"> | undefined;
    const end = (result: OutboundAnswer | OutboundRefusal): void => {
      clearTimeout(timer);
      resolve(result.ok ? result : { ...result, ...head });
      if (!result.ok) sent.destroy();
    };
    // Sockets live in the machine's time, so this timer does too.
    const timer = setTimeout(() => end({ ok: false, reason: "timed_out" }), limits.totalMs);
    // Stays until the request is gone: a socket that is destroyed may still have something to say.
    sent.on("error", (error: NodeJS.ErrnoException) => end(refusalOf(error)));
    sent.once("socket", (socket) => {
      // What is neither head nor body is bounded by this alone: a server that never comes to its answer would keep this thread busy.
      let received = 0;
      const most = 2 * (limits.headerBytes + limits.responseBytes) + ROUND_ABOUT;
      const count = (chunk: Buffer): void => {
        received += chunk.length;
        if (received > most) end({ ok: false, reason: "response_too_large" });
      };
      socket.on("data", count);
      sent.once("close", () => socket.off("data", count));
      if (!(socket instanceof TLSSocket)) return;
      // Messages of a handshake that are passed over, keys that are changed again and again: each takes time, and no data comes of them.
      const before = encryptedBytes(socket);
      const looking = setInterval(() => {
        if (encryptedBytes(socket) - before > 2 * most) end({ ok: false, reason: "response_too_large" });
      }, LOOK_MS);
      sent.once("close", () => clearInterval(looking));
    });
    sent.on("upgrade", () => end({ ok: false, reason: "connection_failed", code: "UPGRADE" }));
    sent.on("response", (response) => {
      const { statusCode: status = 0, headers } = response;
      if (status >= 300 && status < 400) {
        end({ ok: false, reason: "redirected", status });
        return;
      }
      head = { status, headers };
      read(response, head, limits.responseBytes, end);
    });
    sent.end(body);
  });
}

/** What a connection has received, encrypted. Node keeps it under these names only; `bytesRead` of the socket itself counts what was decrypted. */
function encryptedBytes(socket: TLSSocket): number {
  const { _handle: handle } = socket as TLSSocket & { readonly _handle?: { readonly _parent?: { readonly bytesRead?: number } } | null };
  return handle?._parent?.bytesRead ?? 0;
}

function read(
  response: IncomingMessage,
  head: Pick<OutboundAnswer, "status" | "headers">,
  limit: number,
  end: (result: OutboundAnswer | OutboundRefusal) => void,
): void {
  const chunks: Buffer[] = [];
  let received = 0;
  response.on("data", (chunk: Buffer) => {
    received += chunk.length;
    if (received > limit) {
      chunks.length = 0;
      end({ ok: false, reason: "response_too_large" });
    } else chunks.push(chunk);
  });
  response.on("error", (error: NodeJS.ErrnoException) => end(refusalOf(error)));
  response.on("end", () => end({ ok: true, ...head, body: Buffer.concat(chunks, received) }));
}

function refusalOf(error: NodeJS.ErrnoException): OutboundRefusal {
  if (error instanceof OutboundError) return { ok: false, reason: error.reason };
  const { code } = error;
  if (code === "HPE_HEADER_OVERFLOW") return { ok: false, reason: "response_too_large", code };
  return {
    ok: false,
    reason: isTls(code) ? "tls_failed" : ("connection_failed" satisfies OutboundReason),
    ...(code === undefined ? {} : { code }),
  };
}

/** OpenSSL's reasons not to trust a certificate have no common beginning, but an error of a socket has: E and capitals. */
function isTls(code: string | undefined): boolean {
  return code !== undefined && (/^ERR_(?:TLS|SSL)_/.test(code) || /CERT|SIGNATURE|^EPROTO$|ISSUER|CHAIN|PURPOSE/.test(code));
}
