import { createFailureLimiter, networkOf } from "#access/index.ts";
import type { Clock } from "#kernel/clock.ts";

/** Failures in a row that cost nothing: people mistype. */
const FREE_FAILURES = 3;
const FIRST_DELAY_MS = 1_000;
const MAX_DELAY_MS = 15 * 60_000;
/** After this time without a failure a row of them is forgotten, ms. */
const FORGET_MS = 60 * 60_000;
/** Rows remembered. Whoever has more addresses than this makes old ones forgotten, and still waits for the hashes. */
const MAX_ROWS = 20_000;
/** Failures from one network in a minute, whoever is tried. */
const NETWORK_PER_MINUTE = 30;
/** Successes of one device or network for one e-mail address in a minute: each costs a hash, a session and an event. */
const SUCCESSES_PER_MINUTE = 60;
/** Failures for one e-mail address from unknown devices within an hour, above which each answer to such a device is slowed down. */
const SLOW_ABOVE = 20;
const SLOW_STEP_MS = 100;
const MAX_SLOW_MS = 2_000;
/** Answers held back at once: each keeps a request open, of which the whole server has only so many. */
const MAX_HELD = 64;

/** One attempt to sign in. */
export interface SignInAttempt {
  readonly organisationId: string;
  /** The keyed hash of the e-mail address, known or not. */
  readonly emailIndex: string;
  readonly ip: string;
  /** The hash of the device's cookie, where this operator has signed in with it before. */
  readonly knownDevice: string | undefined;
}

export interface SignInThrottle {
  /** Whole seconds until an attempt is looked at; 0 when it is. */
  waitSeconds(attempt: SignInAttempt): number;
  /** Whole seconds that a network has to wait, whoever it tries. */
  networkWaitSeconds(ip: string): number;
  /** How long an attempt is held back, ms: never that of a known device. */
  slowMs(attempt: SignInAttempt): number;
  /** Holds an attempt back. @returns false, at once, when too many are held back already */
  holdBack(attempt: SignInAttempt): Promise<boolean>;
  /** An attempt is going to be judged: it counts as a failure from now on, so that of simultaneous ones none goes uncounted. */
  begin(attempt: SignInAttempt): void;
  failed(attempt: SignInAttempt): void;
  succeeded(attempt: SignInAttempt): void;
  /** It was not judged after all. */
  takeBack(attempt: SignInAttempt): void;
}

interface Row {
  failures: number;
  last: number;
  /** `last` as it was before. */
  before: number;
  /** The attempt that was counted last. */
  by: SignInAttempt | undefined;
}

/**
 * Makes guessing passwords slow without letting a stranger lock anybody out. Failures in a row are counted for an address and the
 * network that tries it, with doubling delays; a network that tries many addresses is stopped as a whole. What a stranger does from
 * elsewhere never refuses the operator: a device that he has signed in with before has a row of its own, which nobody can fill who
 * has not its cookie, and a new device of his is slowed down by two seconds at most. Successes are bounded, too, so that whoever
 * has a password cannot keep the hashing busy for everybody else.
 *
 * In memory, for each node by itself: guessing gains at most a factor of the number of nodes, and a flood writes nothing.
 */
export function createSignInThrottle(deps: { readonly clock: Clock }): SignInThrottle {
  const { clock } = deps;
  const rows = new Map<string, Row>();
  const networks = createFailureLimiter({ clock, limitPerMinute: NETWORK_PER_MINUTE });
  const successes = createFailureLimiter({ clock, limitPerMinute: SUCCESSES_PER_MINUTE });

  const nameOf = ({ organisationId, emailIndex, ip, knownDevice }: SignInAttempt): string =>
    `${organisationId} ${emailIndex} ${knownDevice === undefined ? networkOf(ip) : `device ${knownDevice}`}`;
  const everywhere = ({ organisationId, emailIndex }: SignInAttempt): string => `${organisationId} ${emailIndex}`;

  const known = (name: string): Row | undefined => {
    const row = rows.get(name);
    const now = clock.now();
    // A clock that was set back: waiting for it to catch up could keep somebody out for hours.
    if (row !== undefined && row.last > now) row.last = now;
    if (row === undefined || now - row.last < FORGET_MS) return row;
    rows.delete(name);
    return undefined;
  };

  const count = (name: string, by?: SignInAttempt): void => {
    const row = known(name) ?? { failures: 0, last: 0 };
    // The last to fail stands at the end, so that the first are those to forget.
    rows.delete(name);
    if (rows.size >= MAX_ROWS)
      for (const oldest of rows.keys()) {
        rows.delete(oldest);
        break;
      }
    rows.set(name, { failures: row.failures + 1, last: clock.now(), before: row.last, by });
  };

  const slowMs = (attempt: SignInAttempt): number => {
    if (attempt.knownDevice !== undefined) return 0;
    const failures = known(everywhere(attempt))?.failures ?? 0;
    return Math.min(MAX_SLOW_MS, Math.max(0, failures - SLOW_ABOVE) * SLOW_STEP_MS);
  };
  let held = 0;

  return {
    waitSeconds(attempt) {
      const name = nameOf(attempt);
      const often = successes.waitSeconds(name);
      const row = known(name);
      if (row === undefined || row.failures < FREE_FAILURES) return often;
      const delay = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(30, row.failures - FREE_FAILURES));
      return Math.max(often, Math.ceil((row.last + delay - clock.now()) / 1000));
    },
    networkWaitSeconds: (ip) => networks.waitSeconds(ip),
    slowMs,
    async holdBack(attempt) {
      const ms = slowMs(attempt);
      if (ms === 0) return true;
      if (held >= MAX_HELD) return false;
      held += 1;
      try {
        await clock.sleep(ms);
      } finally {
        held -= 1;
      }
      return true;
    },
    begin: (attempt) => count(nameOf(attempt), attempt),
    takeBack(attempt) {
      const row = rows.get(nameOf(attempt));
      if (row === undefined) return;
      row.failures -= 1;
      // Nor does whoever has waited begin to wait anew; where another was counted since, be it in the same millisecond, its own moment stays.
      if (row.by === attempt) row.last = row.before;
    },
    failed(attempt) {
      if (attempt.knownDevice !== undefined) return;
      count(everywhere(attempt));
      networks.note(attempt.ip);
    },
    succeeded(attempt) {
      const name = nameOf(attempt);
      rows.delete(name);
      successes.note(name);
    },
  };
}
