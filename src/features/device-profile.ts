import { addToBuckets, type Buckets, NO_BUCKETS } from "./buckets.ts";
import type { Seen } from "./payment.ts";
import { dayTier, remembered } from "./tiers.ts";

/**
 * What is remembered of one device across its users. It counts no payments, so that it changes, and is written, only
 * with a user's first payment from it and with a label. Times are ms.
 */
export interface DeviceProfile {
  /** The latest time it changed; the profile's time never goes back. */
  readonly mark: number;
  /** Of the first payment from it; 0 before. */
  readonly firstAt: number;
  /** Keys of the first users, ascending; a full list means that many or more. */
  readonly users: readonly number[];
  /** Confirmed frauds of payments from this device, by the day their label arrived. */
  readonly frauds: Buckets;
}

export const UNKNOWN_DEVICE: DeviceProfile = { mark: 0, firstAt: 0, users: [], frauds: NO_BUCKETS };

/**
 * The profile after a payment from this device, posted or held: sharing a device makes nobody look better. The very same
 * object when there is nothing new to write.
 */
export function observeDevice(before: DeviceProfile, seen: Seen): DeviceProfile {
  const { users } = before;
  if (users.length >= remembered.users || users.includes(seen.payer)) return before;
  const at = Math.max(seen.at, before.mark);
  return {
    mark: at,
    firstAt: before.firstAt === 0 ? at : before.firstAt,
    users: [...users, seen.payer].sort((a, b) => a - b),
    frauds: before.frauds,
  };
}

/** The profile after a payment from this device was confirmed as fraud. `at`: when that became known. */
export function labelDevice(before: DeviceProfile, at: number): DeviceProfile {
  const mark = Math.max(at, before.mark);
  return { mark, firstAt: before.firstAt, users: before.users, frauds: addToBuckets(before.frauds, dayTier, mark, 0) };
}
