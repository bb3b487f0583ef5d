import type { BuiltEvent } from "#audit/index.ts";
import type { CommitQueue } from "#commit/index.ts";
import type { Clock } from "#kernel/clock.ts";
import type { Ids } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Random } from "#kernel/random.ts";
import type { Outbound } from "#outbound/index.ts";
import type { Store } from "#storage/index.ts";
import type { Kms } from "#vault/index.ts";
import { createAgeAlarm } from "./age-alarm.ts";
import type { WitnessAddress } from "./ask-witnesses.ts";
import { createWitnessAsker } from "./ask-witnesses.ts";
import { openCheckpoint } from "./checkpoint.ts";
import { createClockGuard } from "./clock-guard.ts";
import type { LifeLog } from "./life-log.ts";
import { createLifeLog } from "./life-log.ts";
import { forgetFormerKeys, openLogKey } from "./log-key.ts";
import type { LogReader } from "./log-reader.ts";
import { createLogReader } from "./log-reader.ts";
import type { Signer } from "./note-keys.ts";
import type { ReadLog } from "./read-log.ts";
import { createReadLog } from "./read-log.ts";
import type { RotatedKey } from "./rotate-key.ts";
import { rotateLogKey } from "./rotate-key.ts";
import type { SealedText } from "./sealed-texts.ts";
import { shownProof } from "./shown-proof.ts";
import { readSealedTexts } from "./sealed-texts.ts";
import type { Sealed } from "./sealer.ts";
import { ClockSkewError, createSealer } from "./sealer.ts";
import type { SealingTrouble, SealingWorker } from "./sealing-worker.ts";
import { createSealingWorker } from "./sealing-worker.ts";
import { LogTamperedError } from "./trusted-state.ts";

export interface AuditTreeDeps {
  readonly store: Store;
  readonly kms: Kms;
  readonly clock: Clock;
  /** A clock that nobody can set, ms since any moment: tells when the other one was set far ahead. */
  readonly monotonic?: (() => number) | undefined;
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
  /** How old an event may be that is not sealed before that is told, ms; a minute where absent. */
  readonly alarmMs?: number;
  /** Told the event of a rotation, which the commit queue does not see, once it is kept. */
  readonly onEvent?: (event: BuiltEvent) => void;
  /** Told what went wrong in the background. It is tried again. */
  readonly onError: (error: unknown, what: string) => void;
}

/** `late`: events wait for longer than they may. `clock_skew`, `tampered`: nothing is sealed, for that reason. */
export type LogHealth = "ok" | "late" | SealingTrouble;

const ALARM_MS = 60_000;

/** The Merkle log of an installation, put together. */
export interface AuditTree {
  readonly reader: LogReader;
  readonly reads: ReadLog;
  readonly worker: SealingWorker;
  readonly life: LifeLog;
  /** Looks whether events wait too long for being sealed, and tells; forgets keys whose time is over. To be called every few seconds; never rejects. */
  watch(): Promise<void>;
  /** How the sealing stands. */
  readonly health: LogHealth;
  /**
   * The newest checkpoint, held against the log's key: what is archived under it can be taken back by nobody.
   * @throws LogTamperedError for one that the log has not signed; StoreUnavailableError
   */
  signedHead(): Promise<{ readonly size: number; readonly text: string } | undefined>;
  /** The leaves as they are archived: what their entries commit to. */
  leaves(from: number, to: number): Promise<readonly SealedText[]>;
  /** Gives the log a new key; the one before signs next to it for so long, ms. */
  rotateKey(overlapMs: number): Promise<RotatedKey>;
  /** The log's key, opened on first use and kept. */
  signer(): Promise<Signer>;
  /** The proof of an event as the API shows it; `null` while it is not sealed. */
  proofOf(eventId: string): Promise<JsonObject | null>;
}

/** Puts the parts of this room together. */
export function createAuditTree(deps: AuditTreeDeps): AuditTree {
  const { store, clock, monotonic, random, witnesses, outbound, onError } = deps;
  const reader = createLogReader(store);
  const guard = monotonic === undefined ? undefined : createClockGuard({ clock, monotonic });
  const asker =
    outbound === undefined
      ? undefined
      : createWitnessAsker({
          store,
          reader,
          outbound,
          clock,
          witnesses,
          onAgreed: () => guard?.confirmed(),
          onError: (error) => onError(error, "checkpoint not cosigned"),
        });
  /** A sealer is made anew after each failure, and must not forget with it how long the log was. */
  const longest = { size: 0 };
  let key: Promise<Signer> | undefined;
  /** Whether the seeds in the store are those of the opened key. */
  let isTidy = false;
  const signer = (): Promise<Signer> => {
    if (key !== undefined) return key;
    isTidy = false;
    key = openLogKey(deps).catch((error: unknown) => {
      // The KMS may answer the next time.
      key = undefined;
      throw error;
    });
    return key;
  };
  /** When the time of a former key is over, its seed is taken out of the store, and the key opened anew. */
  const forgetFormer = async (): Promise<void> => {
    try {
      if (key === undefined) return;
      const { former = [] } = await key;
      if (isTidy && former.every(({ until }) => until > clock.now())) return;
      // By a clock that is doubted nothing is forgotten: a seed does not come back with the right time.
      if (guard?.isProven() === false) return;
      const left = await forgetFormerKeys(deps);
      if (left === undefined) return;
      // While the KMS is away the one that is at hand stays: it signs with no key whose time is over.
      if (left !== former.length) key = Promise.resolve(await openLogKey(deps));
      isTidy = true;
    } catch (error) {
      onError(error, "the former key of the audit log not forgotten");
    }
  };
  const life = createLifeLog({ ...deps, onLost: (why) => onError(why, "start or stop of the audit log not kept") });
  const worker = createSealingWorker({
    signer,
    clock,
    sealer: deps.sealer ?? ((opened) => createSealer({ store, clock, random, signer: opened, longest })),
    blocked() {
      const ahead = guard?.ahead();
      if (ahead !== undefined) return new ClockSkewError(`the clock was set ${ahead} ms ahead: nothing is sealed for now`);
      const skew = asker?.skewed();
      return skew === undefined ? undefined : new ClockSkewError(`the clock is ${skew} ms from that of the witnesses: nothing is sealed`);
    },
    onBlocked: () => void asker?.ask(true),
    // Not waited for: a witness that hangs delays no checkpoint.
    onSealed: () => void asker?.ask(),
    onKeyChanged: () => {
      key = undefined;
    },
    onError: (error) => onError(error, "audit log not sealed"),
  });
  const alarm = createAgeAlarm({
    store,
    reader,
    clock,
    limitMs: deps.alarmMs ?? ALARM_MS,
    onLate(ageMs, first) {
      onError(new Error(`the oldest unsealed event is ${Math.floor(ageMs / 1_000)} s old`), "audit log is late");
      if (first) void life.paused({ reason: worker.trouble ?? "late", oldest_age_seconds: Math.floor(ageMs / 1_000) });
    },
    onOver: () => void life.resumed(),
  });
  return {
    reader,
    signer,
    life,
    worker,
    async watch() {
      await forgetFormer();
      await alarm.look();
    },
    get health() {
      return worker.trouble ?? (alarm.late ? "late" : "ok");
    },
    async signedHead() {
      for (const again of [true, false]) {
        const newest = await reader.checkpoint();
        // The log begins with a checkpoint of nothing.
        if (newest === undefined || newest.size === 0) return undefined;
        const opened = openCheckpoint(newest.text, (await signer()).verifier);
        if (opened.ok && opened.checkpoint.size === newest.size) return newest;
        // Another node may have given the log a new key.
        if (again) key = undefined;
      }
      throw new LogTamperedError("the stored checkpoint is none that the log has signed");
    },
    leaves: (from, to) => readSealedTexts(store, from, to),
    async rotateKey(overlapMs) {
      const { told, ...rotated } = await rotateLogKey(deps, overlapMs);
      key = undefined;
      deps.onEvent?.(told);
      return rotated;
    },
    reads: createReadLog({ ...deps, onLost: (why) => onError(why, "reading of the audit log not kept") }),
    async proofOf(eventId) {
      const proof = await reader.proof(eventId);
      if (proof === undefined) return null;
      return shownProof(proof);
    },
  };
}
