/** Bounds of the server. All times in milliseconds of the machine's clock. */
export interface HttpLimits {
  /** The largest body, in bytes. */
  readonly bodyBytes: number;
  /** The largest request head, in bytes. */
  readonly headerBytes: number;
  /** The most header lines of one request. */
  readonly headerCount: number;
  /** The longest path with query, in characters. */
  readonly urlLength: number;
  /** The most parameters of one query string. */
  readonly queryCount: number;
  /** The longest value of one path parameter, in characters. */
  readonly paramLength: number;
  /** How long a TLS handshake may take. */
  readonly handshakeMs: number;
  /** How long the head of a request may take to arrive. Must be below `requestTimeoutMs`. */
  readonly headersTimeoutMs: number;
  /** How long a whole request may take to arrive. */
  readonly requestTimeoutMs: number;
  /**
   * From the head of a request to its answer. Must be above `requestTimeoutMs`. What is not answered by then is answered with
   * 504 or 503; an answer that its client has not taken after as long again is cut off.
   */
  readonly deadlineMs: number;
  /** How long a client that was answered before it had sent everything may go on sending. */
  readonly lingerMs: number;
  /** How often the server looks for what took too long: what a timeout may be exceeded by. */
  readonly connectionsCheckMs: number;
  /** How long an idle connection is kept. */
  readonly keepAliveMs: number;
  /** How long a connection is used: the first answer after it closes the connection. */
  readonly connectionAgeMs: number;
  /** How long a socket may stand still in mid-request, e.g. a client that does not read its answer. */
  readonly socketIdleMs: number;
  /** How many connections are kept at once; further ones are closed at once. */
  readonly connections: number;
  /** How many of them one address may have (of IPv6, one /64). Not looked at behind trusted proxies, which share theirs. */
  readonly connectionsPerAddress: number;
  /** Requests worked on at once, from when they have arrived; further ones are refused as `overloaded`. */
  readonly openRequests: number;
  /** Requests admitted in one turn of the event loop whatever it takes; further ones only while it is younger than `turnMs`. */
  readonly turnRequests: number;
  readonly turnMs: number;
  /** Bytes of bodies held at once for requests being answered; small bodies are not counted, `openRequests` bounds them. */
  readonly openBodyBytes: number;
  /** How long /readyz waits for `ready`. */
  readonly readyMs: number;
  /** How long one answer of the store is everybody's who asks /readyz, ms. */
  readonly readySharedMs: number;
}

export const defaultLimits: HttpLimits = {
  bodyBytes: 1024 * 1024,
  headerBytes: 16 * 1024,
  headerCount: 100,
  // Room for the longest cursor and more.
  urlLength: 8192,
  queryCount: 100,
  paramLength: 100,
  handshakeMs: 10_000,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  deadlineMs: 60_000,
  lingerMs: 2_000,
  connectionsCheckMs: 1_000,
  keepAliveMs: 72_000,
  connectionAgeMs: 3_600_000,
  socketIdleMs: 120_000,
  connections: 10_000,
  connectionsPerAddress: 1_000,
  openRequests: 1_000,
  turnRequests: 300,
  turnMs: 25,
  openBodyBytes: 64 * 1024 * 1024,
  readyMs: 2_000,
  readySharedMs: 1_000,
};
