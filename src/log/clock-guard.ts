import type { Clock } from "#kernel/clock.ts";

export interface ClockGuardDeps {
  readonly clock: Pick<Clock, "now">;
  /** Milliseconds since some moment, by a clock that nobody can set. */
  readonly monotonic: () => number;
}

/**
 * Notices that the machine's clock was set far ahead while this process runs (AUD-12). The time of a checkpoint never goes back, so one
 * that is sealed with such a clock holds sealing up until that time has come.
 */
export interface ClockGuard {
  /** How far the clock was set ahead, ms, while that is not believed; `undefined` where it may be sealed. To be called several times a minute. */
  ahead(): number | undefined;
  /** Whether what cannot be undone may be done by this clock: somebody else's says the same, or nobody has set it back for a quarter of an hour. */
  isProven(): boolean;
  /** Somebody else's clock says the same as ours. */
  confirmed(): void;
}

/** By how much the clock may be set at once, ms. */
const MAX_JUMP_MS = 60_000;
/**
 * How long a clock that was set ahead is doubted, ms. It may be right now, and wrong before: after a machine was suspended, its monotonic
 * clock stands behind for ever. Long enough for whoever keeps the time to set it back.
 */
const DOUBT_MS = 15 * 60_000;

export function createClockGuard({ clock, monotonic }: ClockGuardDeps): ClockGuard {
  /** What the clock is ahead of the monotonic one, as it was believed last. */
  let believed = clock.now() - monotonic();
  let doubted: { readonly offset: number; readonly since: number } | undefined;
  const begun = monotonic();
  let isConfirmed = false;

  const ahead = (): number | undefined => {
    const ran = monotonic();
    const offset = clock.now() - ran;
    const jump = offset - believed;
    if (doubted !== undefined && Math.abs(offset - doubted.offset) > MAX_JUMP_MS) doubted = undefined;
    if (jump <= MAX_JUMP_MS || (doubted !== undefined && ran - doubted.since >= DOUBT_MS)) {
      // Backwards is the sealer's to judge, which knows the last checkpoint.
      believed = offset;
      doubted = undefined;
      return undefined;
    }
    doubted ??= { offset, since: ran };
    return jump;
  };

  return {
    ahead,
    // A clock may have been far ahead when the process began, which nothing else here notices.
    isProven: () => ahead() === undefined && (isConfirmed || monotonic() - begun >= DOUBT_MS),
    confirmed() {
      isConfirmed = true;
      if (doubted === undefined) return;
      believed = clock.now() - monotonic();
      doubted = undefined;
    },
  };
}
