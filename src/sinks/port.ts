import type { Sha256 } from "./digest.ts";

/** One event on its way to a sink that takes lines. */
export interface SinkLine {
  readonly eventId: string;
  /** When it was committed, ms. */
  readonly at: number;
  /** The event's RFC 8785 text, as standard output has it. */
  readonly text: string;
}

/** One object on its way to a sink that keeps objects. The same key always has the same bytes. */
export interface SinkObject {
  /** Below the sink's prefix. */
  readonly key: string;
  readonly body: Buffer;
  readonly contentType: string;
  readonly sha256: Sha256;
}

interface Named {
  /** Its name in the API, in the log and in the store; never changed, since it is where the sink goes on. */
  readonly name: string;
  close(): void;
}

/** Takes every event as a line, in the order of the feed, each at least once. It is told again what it may have missed. */
export interface LineSink extends Named {
  readonly takes: "lines";
  /** Resolves once all lines are kept there. @throws SinkError, after its own bounded retries */
  send(lines: readonly SinkLine[]): Promise<void>;
}

/** Keeps what the audit log has sealed, as objects that nobody can change. */
export interface ArchiveSink extends Named {
  readonly takes: "objects";
  /** Where they are kept; never changed. One place goes on where it was, and another one begins with the first leaf; one for all where absent. */
  readonly place?: string;
  /** Objects are made when so many leaves wait, or when the oldest has waited so long, ms. */
  readonly every: { readonly leaves: number; readonly ms: number };
  /** Resolves once the object is there, also where it was there before. @throws SinkError, after its own bounded retries */
  put(object: SinkObject): Promise<void>;
}

export type Sink = LineSink | ArchiveSink;

/** The other side did not take something. Its message names what went wrong and nothing of what was sent. */
export class SinkError extends Error {
  override readonly name = "SinkError";
  /** Whether the same call may turn out well a moment later. */
  readonly passing: boolean;
  constructor(message: string, options: { readonly passing: boolean; readonly cause?: unknown }) {
    super(message, { cause: options.cause });
    this.passing = options.passing;
  }
}
