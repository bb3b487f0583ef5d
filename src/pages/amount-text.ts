import type { Currency } from "#kernel/money.ts";
import { exponentOf } from "#kernel/money.ts";
import type { Language } from "./language.ts";

/**
 * An amount as a person reads it, to the last digit: `EUR 1,234.50`. The currency is shown by its code, as it is signed: `$` is the sign of
 * some twenty currencies.
 * @param amount minor units
 */
export function amountText(amount: bigint, currency: Currency, language: Language): string {
  const digits = exponentOf(currency);
  const text = amount.toString().padStart(digits + 1, "0");
  const exact = digits === 0 ? text : `${text.slice(0, -digits)}.${text.slice(-digits)}`;
  const format = new Intl.NumberFormat(language === "en" ? "en-GB" : "de-DE", {
    style: "currency",
    currency,
    currencyDisplay: "code",
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  // As text, which is formatted exactly; a number would lose digits above 2^53.
  return format.format(exact as `${number}`);
}
