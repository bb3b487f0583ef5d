import type { CommitQueue } from "#commit/index.ts";
import type { Clock } from "#kernel/clock.ts";
import type { Ids } from "#kernel/ids.ts";
import type { Random } from "#kernel/random.ts";
import type { Store } from "#storage/index.ts";
import type { Vault } from "#vault/index.ts";
import type { CodeSender } from "./code-sender.ts";
import type { Contact, RelyingParty, Subject } from "./factor.ts";

/** What this room works with. */
export interface FactorDeps {
  readonly store: Store;
  readonly queue: CommitQueue;
  readonly vault: Vault;
  readonly ids: Ids;
  readonly clock: Clock;
  readonly random: Random;
  readonly relyingParty: RelyingParty;
  readonly codeSender: CodeSender;
  /** Where notices go besides the addresses that are factors themselves. */
  readonly contactOf?: (subject: Subject) => Promise<Contact | undefined>;
  /** Told what could not be sent. */
  readonly onError?: (error: unknown, what: string) => void;
}
