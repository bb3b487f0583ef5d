import type { Authenticator, Environment, SecurityLog } from "#access/index.ts";
import type { FactorDeps } from "#factors/index.ts";
import type { Passwords } from "./password-hash.ts";
import type { SessionAuthenticator } from "./session-authenticator.ts";
import type { SignInThrottle } from "./sign-in-throttle.ts";

/** What every command and route of operators is built with. */
export interface OperatorDeps extends FactorDeps {
  readonly passwords: Passwords;
  readonly throttle: SignInThrottle;
  readonly sessions: SessionAuthenticator;
  /** Forgets the keys of an operator who was changed. */
  readonly keys: Pick<Authenticator, "forgetOwner">;
  readonly securityLog: Pick<SecurityLog, "refused">;
  readonly environment: Environment;
  /** Whether cookies travel over TLS only. */
  readonly secure: boolean;
  /** How many proxies in front append to X-Forwarded-For: public routes find out their client's address themselves. */
  readonly trustedProxyHops: number;
}
