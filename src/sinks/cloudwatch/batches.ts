import type { SinkLine } from "../port.ts";

/** A log event as PutLogEvents takes it. */
export interface LogEvent {
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  readonly message: string;
}

/** PutLogEvents, Amazon CloudWatch Logs API reference. */
export const LIMITS = {
  events: 10_000,
  /** Bytes of a batch: its UTF-8 messages and 26 for each event. */
  bytes: 1_048_576,
  overhead: 26,
  spanMs: 24 * 60 * 60 * 1000,
  /** How old an event may be, and how far ahead. */
  oldMs: 14 * 24 * 60 * 60 * 1000,
  aheadMs: 2 * 60 * 60 * 1000,
} as const;

/** What an event may have by itself, bytes: the limit that every region and every reader of CloudWatch has always had. */
const EVENT_BYTES = 256 * 1024 - LIMITS.overhead;
/** How far from the limits of time events are kept, ms: the clock of the other side is not ours. */
const MARGIN_MS = 60 * 60 * 1000;

/**
 * The line as a log event. CloudWatch refuses what is older than 14 days or more than two hours ahead: such events are filed under the
 * nearest time that it takes. Their own time stands in the message. A message too large names the event, to be read from the API.
 */
export function logEventOf({ eventId, at, text }: SinkLine, now: number): LogEvent {
  const timestamp = Math.min(Math.max(at, now - LIMITS.oldMs + MARGIN_MS), now + LIMITS.aheadMs - MARGIN_MS);
  const bytes = Buffer.byteLength(text);
  return { timestamp, message: bytes <= EVENT_BYTES ? text : JSON.stringify({ event_id: eventId, omitted: "too_large", bytes }) };
}

/** Batches within all limits, each in the order of its times (events of one time in the order of the feed). Nothing is left out. */
export function batchesOf(events: readonly LogEvent[]): readonly (readonly LogEvent[])[] {
  const batches: LogEvent[][] = [];
  let batch: LogEvent[] = [];
  let bytes = 0;
  for (const event of events.toSorted((a, b) => a.timestamp - b.timestamp)) {
    const own = Buffer.byteLength(event.message) + LIMITS.overhead;
    const first = batch[0]?.timestamp ?? event.timestamp;
    if (batch.length > 0 && (batch.length >= LIMITS.events || bytes + own > LIMITS.bytes || event.timestamp - first >= LIMITS.spanMs)) {
      batches.push(batch);
      batch = [];
      bytes = 0;
    }
    batch.push(event);
    bytes += own;
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}
