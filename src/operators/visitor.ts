/** Where a request to sign in comes from. */
export interface Visitor {
  readonly ip: string;
  readonly userAgent: string;
  readonly requestId: string;
  /** The value of the cookie that a browser was given when it had signed in. */
  readonly device: string | undefined;
}
