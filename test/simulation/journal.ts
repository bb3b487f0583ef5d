import { createHash } from "node:crypto";
import type { Item, Write } from "#storage/port.ts";
import type { Command } from "./operations.ts";
import { requestOf } from "./operations.ts";

/** A stored reply: what an Idempotency-Key, or one chunk of an independent batch, came to. */
export interface KeptReply {
  readonly command: Command;
  readonly status: number;
  readonly body: string;
  readonly commit: number;
}

/** Whatever was found wrong. The first finding ends the run. */
export class Mismatch extends Error {
  override readonly name = "Mismatch";
}

/** Fails the run. */
export function mismatch(what: string, expected?: unknown, got?: unknown): never {
  const shown = (value: unknown): string =>
    JSON.stringify(value, (_key, inner: unknown) => (typeof inner === "bigint" ? Number(inner) : inner)) ?? "undefined";
  throw new Mismatch(
    expected === undefined && got === undefined ? what : `${what}\n  expected ${shown(expected)}\n  got      ${shown(got)}`,
  );
}

/** The id an Idempotency-Key is kept under, and the fingerprint of the request. */
export function claimOf(command: Command): { readonly id: string; readonly fingerprint: string } | undefined {
  if (command.key === undefined) return undefined;
  const { method, url, payload = "" } = requestOf(command);
  const id = createHash("sha256").update(`${command.tenant.id}\n${command.key}`).digest().toString("base64url", 0, 16);
  const fingerprint = createHash("sha256").update(`${method}\n${url}\n${payload}`).digest("base64url");
  return { id, fingerprint };
}

/** The part of a commit that one command is answerable for. */
export interface Segment {
  readonly events: readonly Item[];
  /** The stored reply; absent for operations without Idempotency-Key. */
  readonly reply: Item | undefined;
}

const WITHOUT_KEY = new Set(["account.updated", "account.frozen", "account.unfrozen", "account.closed", "user.status_changed"]);

/** What nodes do of themselves, without any request. */
export const OF_ITSELF = "review.expired";

/** Takes a commit apart: events come in the order of the commands, each followed by the reply it is kept with. */
export function segmentsOf(writes: readonly Write[]): Segment[] {
  const segments: Segment[] = [];
  let events: Item[] = [];
  for (const write of writes) {
    if (write.op !== "put") continue;
    if (write.table === "smartfinance-audit-logs") {
      const type = String(write.item.event_type);
      if (WITHOUT_KEY.has(type) || type === OF_ITSELF) segments.push({ events: [write.item], reply: undefined });
      else events.push(write.item);
    } else if (write.table === "smartfinance-idempotency") {
      segments.push({ events, reply: write.item });
      events = [];
    }
  }
  if (events.length > 0) segments.push({ events, reply: undefined });
  return segments;
}

/** The canonical JSON (RFC 8785) of what events hold: strings, whole numbers, null, lists and objects. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, inner]) => `${JSON.stringify(name)}:${canonical(inner)}`).join(",")}}`;
}

/** The documented checksum of an event: SHA-256 over its canonical JSON without `checksum`, `id` and `object` (and where it is kept). */
export function checksumOf(event: Readonly<Record<string, unknown>>): string {
  const { checksum: _checksum, partition: _partition, id: _id, object: _object, ...rest } = event;
  return createHash("sha256").update(canonical(rest)).digest("hex");
}
