/** Bounds of the server. All times in milliseconds of the machine's clock. */
export interface HttpLimits {
  /** The largest body, in bytes. */
  readonly bodyBytes: number;
  /** The largest request head, in bytes. */
  readonly headerBytes: number;
  /** The longest path with query, in characters. */
  readonly urlLength: number;
  /** The longest value of one path parameter, in characters. */
  readonly paramLength: number;
  /** How long the head of a request may take to arrive. Must be below `requestTimeoutMs`. */
  readonly headersTimeoutMs: number;
  /** How long a whole request may take to arrive. */
  readonly requestTimeoutMs: number;
  /** How often Node looks for requests that took too long: what a timeout may be exceeded by. */
  readonly connectionsCheckMs: number;
  /** How long an idle connection is kept. */
  readonly keepAliveMs: number;
  /** How long a socket may stand still in mid-request, e.g. a client that does not read its answer. */
  readonly socketIdleMs: number;
  /** How many connections are kept at once; further ones are closed at once. */
  readonly connections: number;
  /** How long /readyz waits for `ready`. */
  readonly readyMs: number;
}

export const defaultLimits: HttpLimits = {
  bodyBytes: 1024 * 1024,
  headerBytes: 16 * 1024,
  // Room for the longest cursor and more.
  urlLength: 8192,
  paramLength: 100,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  connectionsCheckMs: 1_000,
  keepAliveMs: 72_000,
  socketIdleMs: 120_000,
  connections: 10_000,
  readyMs: 2_000,
};
