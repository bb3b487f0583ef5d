import type { AuthenticationDeps } from "#authentications/index.ts";
import type { CommitQueue } from "#commit/index.ts";
import type { Clock } from "#kernel/clock.ts";
import type { ApiKeyId, Ids, OrganisationId } from "#kernel/ids.ts";
import type { Random } from "#kernel/random.ts";
import type { Store } from "#storage/index.ts";

/** What commands on hosted sessions are built with. */
export interface SessionDeps {
  readonly store: Store;
  readonly queue: CommitQueue;
  readonly ids: Ids;
  readonly clock: Clock;
  readonly random: Random;
}

/** What tells whether a visit is still wanted. */
export interface WantedDeps {
  readonly store: Store;
  /** Whether this key could make a hosted session now: not when it or its owner is gone, or the right to do so. */
  readonly mayHost: (organisationId: OrganisationId, apiKeyId: ApiKeyId) => Promise<boolean>;
}

/** What the routes of the pages are built with. */
export interface PagesDeps extends AuthenticationDeps, WantedDeps {
  readonly store: Store;
  /** Whether cookies travel over TLS only. */
  readonly secure: boolean;
  /** How many proxies in front append to X-Forwarded-For: public routes find out their visitor's address themselves. */
  readonly trustedProxyHops: number;
  /** Turns away addresses that have tried too many tokens and cookies. */
  readonly failures: {
    waitSeconds(ip: string): number;
    note(ip: string): void;
  };
}
