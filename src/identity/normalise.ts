/** One `@`, something on both sides, no blank or control character anywhere. Deliverability is for a confirmation mail to find out. */
const EMAIL = /^[^\s@\p{Cc}]{1,64}@[^\s@\p{Cc}]{1,189}$/u;
/** RFC 5321 section 4.5.3.1.3: what a mail path can carry, less its brackets. */
const MAX_EMAIL = 254;

/**
 * An e-mail address as it is compared: Unicode NFKC, without blanks around it, lower-case (of no particular language),
 * NFKC again. Providers' own rules (dots, `+tags`) are not guessed at.
 * @returns undefined when it is no address
 */
export function normaliseEmail(text: string): string | undefined {
  const normalised = text.normalize("NFKC").trim().toLowerCase().normalize("NFKC");
  return normalised.length <= MAX_EMAIL && EMAIL.test(normalised) ? normalised : undefined;
}

const DATE = /^(\d{4})-(\d{2})-(\d{2})$/;
/** Nobody who opens an account was born before. */
const FIRST_BIRTH_YEAR = 1900;

/** Whether `text` is a day that exists (`YYYY-MM-DD`), from 1900 on and before the day that `now` (ms) falls on in UTC. */
export function isBirthDate(text: string, now: number): boolean {
  const match = DATE.exec(text);
  if (match === null) return false;
  const [year = 0, month = 0, day = 0] = match.slice(1).map(Number);
  const date = new Date(Date.UTC(year, month - 1, day));
  const exists = date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  return exists && year >= FIRST_BIRTH_YEAR && text < new Date(now).toISOString().slice(0, 10);
}
