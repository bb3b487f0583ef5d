import type { CommitQueue } from "#commit/index.ts";
import type { Clock } from "#kernel/clock.ts";
import type { Ids } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Random } from "#kernel/random.ts";
import type { Outbound } from "#outbound/index.ts";
import type { Store } from "#storage/index.ts";
import type { Kms } from "#vault/index.ts";
import type { WitnessAddress } from "./ask-witnesses.ts";
import { createWitnessAsker } from "./ask-witnesses.ts";
import { toBase64 } from "./base64.ts";
import { openLogKey } from "./log-key.ts";
import type { LogReader } from "./log-reader.ts";
import { createLogReader } from "./log-reader.ts";
import type { Signer } from "./note-keys.ts";
import type { ReadLog } from "./read-log.ts";
import { createReadLog } from "./read-log.ts";
import type { Sealed } from "./sealer.ts";
import { ClockSkewError, createSealer } from "./sealer.ts";
import type { SealingWorker } from "./sealing-worker.ts";
import { createSealingWorker } from "./sealing-worker.ts";

export interface AuditTreeDeps {
  readonly store: Store;
  readonly kms: Kms;
  readonly clock: Clock;
  readonly random: Random;
  readonly queue: CommitQueue;
  readonly ids: Ids;
  readonly environment: "test" | "live";
  /** What a new log is called. */
  readonly origin?: string | undefined;
  readonly witnesses: readonly WitnessAddress[];
  /** Needed where there are witnesses. */
  readonly outbound?: Outbound | undefined;
  /** Seals on another thread, where there is one for it; on this one where absent. */
  readonly sealer?: ((signer: Signer) => { step(): Promise<Sealed> }) | undefined;
  /** Told what went wrong in the background. It is tried again. */
  readonly onError: (error: unknown, what: string) => void;
}

/** The Merkle log of an installation, put together. */
export interface AuditTree {
  readonly reader: LogReader;
  readonly reads: ReadLog;
  readonly worker: SealingWorker;
  /** The log's key, opened on first use and kept. */
  signer(): Promise<Signer>;
  /** The proof of an event as the API shows it; `null` while it is not sealed. */
  proofOf(eventId: string): Promise<JsonObject | null>;
}

/** Puts the parts of this room together. */
export function createAuditTree(deps: AuditTreeDeps): AuditTree {
  const { store, clock, random, witnesses, outbound, onError } = deps;
  const reader = createLogReader(store);
  const asker =
    outbound === undefined
      ? undefined
      : createWitnessAsker({ store, reader, outbound, clock, witnesses, onError: (error) => onError(error, "checkpoint not cosigned") });
  let key: Promise<Signer> | undefined;
  const signer = (): Promise<Signer> => {
    key ??= openLogKey(deps).catch((error: unknown) => {
      // The KMS may answer the next time.
      key = undefined;
      throw error;
    });
    return key;
  };
  return {
    reader,
    signer,
    reads: createReadLog({ ...deps, onLost: (why) => onError(why, "reading of the audit log not kept") }),
    worker: createSealingWorker({
      signer,
      clock,
      sealer: deps.sealer ?? ((opened) => createSealer({ store, clock, random, signer: opened })),
      blocked() {
        const skew = asker?.skewed();
        return skew === undefined ? undefined : new ClockSkewError(`the clock is ${skew} ms from that of the witnesses: nothing is sealed`);
      },
      onBlocked: () => void asker?.ask(),
      // Not waited for: a witness that hangs delays no checkpoint.
      onSealed: () => void asker?.ask(),
      onError: (error) => onError(error, "audit log not sealed"),
    }),
    async proofOf(eventId) {
      const proof = await reader.proof(eventId);
      if (proof === undefined) return null;
      const { index, size, leaf, opening, hashes, checkpoint } = proof;
      return {
        index,
        tree_size: size,
        leaf_hash: toBase64(leaf),
        opening: toBase64(opening),
        hashes: hashes.map(toBase64),
        checkpoint,
      };
    },
  };
}
