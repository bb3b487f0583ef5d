import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import { isCommonPassword } from "./common-passwords.ts";

export const MIN_PASSWORD = 12;
export const MAX_PASSWORD = 128;
/** Words of the context shorter than this are in too many good passwords to mean anything. */
const MIN_CONTEXT_WORD = 4;
/** What has to be left when the words of the context are taken out: so many letters, or so many characters of any kind. */
const MIN_REST_LETTERS = 6;
const MIN_REST = 12;

/** What an attacker knows of an operator: his name, his address, his organisation. */
export interface PasswordContext {
  readonly email: string;
  readonly name: string;
  readonly organisation: string;
}

/**
 * Whether a password may be taken: its length in characters after NFKC (ASVS 6.2.1, 6.2.9), none of the common ones (6.2.12), and
 * not made of what stands on the operator's business card (6.2.11). No rules on kinds of characters (6.2.5).
 * @returns why not
 */
export function refusePassword(password: string, context: PasswordContext): Refusal | undefined {
  const text = password.normalize("NFKC");
  const length = lengthOf(text);
  if (length < MIN_PASSWORD || length > MAX_PASSWORD)
    return refuse("password_not_allowed", "password", `It has from ${MIN_PASSWORD} to ${MAX_PASSWORD} characters.`);
  if (isCommonPassword(text)) return refuse("password_not_allowed", "password", "It is one of those that are tried first.");
  let rest = text.toLowerCase();
  for (const word of contextWords(context)) rest = rest.replaceAll(word, "");
  const letters = lengthOf(rest.replace(/[^\p{L}]+/gu, ""));
  if (rest.length < text.length && letters < MIN_REST_LETTERS && lengthOf(rest) < MIN_REST)
    return refuse("password_not_allowed", "password", "It is made of your name, your address or that of your organisation.");
  return undefined;
}

/** Characters as Unicode counts them, so that no language has it harder than another. */
const lengthOf = (text: string): number => Array.from(text).length;

function contextWords({ email, name, organisation }: PasswordContext): readonly string[] {
  const words = `${email} ${name} ${organisation} smartfinance`
    .normalize("NFKC")
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u);
  const whole = [email.split("@")[0] ?? "", name, organisation].map((text) => text.normalize("NFKC").toLowerCase());
  // The longest first, so that nothing of them is left over.
  const known = [...new Set([...words, ...whole])].filter((word) => lengthOf(word) >= MIN_CONTEXT_WORD);
  return known.sort((one, other) => other.length - one.length);
}
