import { StoreUnavailableError } from "#storage/index.ts";

/** The data key that a sealed text names is gone (shredded) or another organisation's. */
export class DataKeyNotFoundError extends Error {
  override readonly name = "DataKeyNotFoundError";
}

/** The user's keys were destroyed, so that what they sealed is gone. No new key is made for this user. */
export class UserShreddedError extends Error {
  override readonly name = "UserShreddedError";
}

/**
 * The data key may not be used for this: retired keys open only, compromised ones do nothing. To whoever reads or
 * writes sealed data it is the store that cannot be used: a rotation under way ends it.
 */
export class DataKeyBlockedError extends StoreUnavailableError {
  readonly outage = "key_blocked";
}

/** The subject has as many data keys as one may have. */
export class TooManyKeysError extends Error {
  override readonly name = "TooManyKeysError";
}
