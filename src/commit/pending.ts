import type { JsonObject } from "#kernel/json.ts";
import type { Command, Executed } from "./command.ts";
import type { KeptElsewhere } from "./idempotency.ts";

/** A command that waits for its commit. */
export interface Pending {
  readonly command: Command;
  readonly locks: readonly string[];
  /** Place in the order of arrival. */
  readonly arrival: number;
  /** How often a group of it failed, on an ordered store. */
  attempts: number;
  settled: boolean;
  /** Seals the reply that is kept, where it shows what is sealed elsewhere. */
  seal: ((body: string) => JsonObject) | undefined;
  readonly answer: (executed: Executed, kept?: KeptElsewhere) => void;
  readonly fail: (error: unknown) => void;
}
