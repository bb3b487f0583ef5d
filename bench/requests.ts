import type { Seeded } from "../test/crash/seed-store.ts";
import { createUniform, pickUniform, pickZipf } from "./pick.ts";

export const kinds = ["transfer_single", "transfer_batch", "transfer_hot_account", "read_account", "read_transaction"] as const;
export type Kind = (typeof kinds)[number];

export interface RequestPlan {
  readonly kind: Kind;
  /** 0: every account alike. Above: Zipf's law with this exponent. */
  readonly zipf: number;
  /** Transfers in one request. */
  readonly batch: number;
  /** Tells the Idempotency-Keys of this run from those of every other. */
  readonly run: string;
}

const ID_LENGTH = 30;
const AMOUNT_DIGITS = 4;
const NUMBER_DIGITS = 10;
const DEVICE_DIGITS = 6;
const ZERO = 0x30;
/** Minor units: 10.00 to 99.99. */
const LEAST_AMOUNT = 1_000;
const AMOUNTS = 9_000;

const blank = (length: number): string => "0".repeat(length);

/** A transfer as a customer's app would ask for it, with blanks of fixed length where one differs from another. */
const TRANSFER = JSON.stringify({
  from_account_id: "F".repeat(ID_LENGTH),
  to_account_id: "T".repeat(ID_LENGTH),
  amount: 1111,
  currency: "EUR",
  reference: `Invoice N${blank(NUMBER_DIGITS)}`,
  metadata: { invoice_number: `M${blank(NUMBER_DIGITS)}`, channel: "mobile", app_version: "4.12.0" },
  context: { device_id: `device-${blank(DEVICE_DIGITS)}`, country: "DE", user_agent: "ExampleBank/4.12.0 (Android 16)" },
});

/** Where the blanks of TRANSFER lie. */
const places = {
  from: TRANSFER.indexOf("F".repeat(ID_LENGTH)),
  to: TRANSFER.indexOf("T".repeat(ID_LENGTH)),
  amount: TRANSFER.indexOf("1111"),
  reference: TRANSFER.indexOf(`N${blank(NUMBER_DIGITS)}`) + 1,
  invoice: TRANSFER.indexOf(`M${blank(NUMBER_DIGITS)}`) + 1,
  device: TRANSFER.indexOf(`device-${blank(DEVICE_DIGITS)}`) + "device-".length,
};

/** Writes the bytes of the next request of one connection; the same bytes are written over each time. */
export type NextRequest = () => Buffer;

function writeDigits(bytes: Buffer, end: number, value: number, digits: number): void {
  let rest = value;
  for (let at = end - 1; at >= end - digits; at--) {
    const next = Math.floor(rest / 10);
    bytes[at] = ZERO + rest - next * 10;
    rest = next;
  }
}

/** Requests are numbered across connections, so that none has the Idempotency-Key of another. */
export function createRequests(seed: Seeded, plan: RequestPlan): () => NextRequest {
  const { accounts, transactions, users, apiKey } = seed;
  const uniform = createUniform(0x5eed);
  const among = (size: number): (() => number) => (plan.zipf > 0 ? pickZipf(size, plan.zipf, uniform) : pickUniform(size, uniform));
  const account = among(accounts.length);
  let requests = 0;

  if (plan.kind === "read_account" || plan.kind === "read_transaction") {
    const [path, ids] = plan.kind === "read_account" ? ["/v1/accounts/", accounts] : ["/v1/transactions/", transactions];
    const which = among(ids.length);
    const head = `GET ${path}`;
    const all = Buffer.from(ids.join(""), "latin1");
    return () => {
      const bytes = Buffer.from(`${head}${blank(ID_LENGTH)} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: ${apiKey}\r\n\r\n`, "latin1");
      return () => {
        const n = which();
        all.copy(bytes, head.length, n * ID_LENGTH, (n + 1) * ID_LENGTH);
        return bytes;
      };
    };
  }

  const all = Buffer.from(accounts.join(""), "latin1");
  const size = plan.kind === "transfer_batch" ? plan.batch : 1;
  const one = Array.from({ length: size }, () => TRANSFER).join(",");
  const body = plan.kind === "transfer_batch" ? `{"mode":"independent","transfers":[${one}]}` : one;
  const key = `bench-${plan.run}-`;
  const head =
    `POST ${plan.kind === "transfer_batch" ? "/v1/transfers/batch" : "/v1/transfers"} HTTP/1.1\r\nHost: 127.0.0.1\r\n` +
    `User-Agent: smartfinance-bench\r\nX-API-Key: ${apiKey}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n` +
    `Idempotency-Key: ${key}${blank(NUMBER_DIGITS)}\r\n\r\n`;
  const keyEnd = head.indexOf(key) + key.length + NUMBER_DIGITS;
  const first = head.length + body.indexOf(TRANSFER);
  let transfers = 0;

  return () => {
    const bytes = Buffer.from(head + body, "latin1");
    return () => {
      writeDigits(bytes, keyEnd, requests++, NUMBER_DIGITS);
      for (let n = 0, at = first; n < size; n++, at += TRANSFER.length + 1) {
        let from = account();
        // One account takes part in every transfer: it is paid by all the others.
        const to = plan.kind === "transfer_hot_account" ? 0 : account();
        if (from === to) from = (to + 1) % accounts.length;
        all.copy(bytes, at + places.from, from * ID_LENGTH, (from + 1) * ID_LENGTH);
        all.copy(bytes, at + places.to, to * ID_LENGTH, (to + 1) * ID_LENGTH);
        writeDigits(bytes, at + places.amount + AMOUNT_DIGITS, LEAST_AMOUNT + Math.floor(uniform() * AMOUNTS), AMOUNT_DIGITS);
        writeDigits(bytes, at + places.reference + NUMBER_DIGITS, transfers, NUMBER_DIGITS);
        writeDigits(bytes, at + places.invoice + NUMBER_DIGITS, transfers, NUMBER_DIGITS);
        writeDigits(bytes, at + places.device + DEVICE_DIGITS, from % users, DEVICE_DIGITS);
        transfers += 1;
      }
      return bytes;
    };
  };
}
