import type { BuiltEvent } from "#audit/index.ts";
import type { CommitQueue } from "#commit/index.ts";
import type { ApprovalWorker } from "#controls/index.ts";
import type { StreamLimits, Streams } from "#events/index.ts";
import type { CodeSender, RelyingParty } from "#factors/index.ts";
import type { HttpLimits, HttpServer, TlsSettings } from "#http/index.ts";
import type { Clock } from "#kernel/clock.ts";
import type { Ids } from "#kernel/ids.ts";
import type { Random } from "#kernel/random.ts";
import type { TrainingWorker } from "#learning/index.ts";
import type { AuditTree, AuditTreeDeps, WitnessAddress } from "#log/index.ts";
import type { Outbound } from "#outbound/index.ts";
import type { ActionExpiry, ReviewExpiry } from "#payments/index.ts";
import type { Models } from "#risk/index.ts";
import type { DryRunWorker, Policies } from "#rules/index.ts";
import type { Sink, SinkWorker } from "#sinks/index.ts";
import type { Store } from "#storage/index.ts";
import type { Kms, RotationWorker, Vault } from "#vault/index.ts";
import type { WebhookWorker } from "#webhooks/index.ts";
import type { Logger } from "pino";

export interface AppOptions {
  readonly store: Store;
  readonly kms: Kms;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Told the events of each commit once it is durable. */
  readonly auditLog: (events: readonly BuiltEvent[]) => void;
  readonly trustedProxyHops: number;
  /** Nodes over the same store, which share every request quota between them. Default 1. */
  readonly nodes?: number;
  /** Bad keys from one address in a minute, after which its requests are turned away unseen. Default 20. */
  readonly authFailuresPerMinute?: number;
  /** Part of every encryption context, so that no key opens in the other kind of installation. Default `test`. */
  readonly environment?: "test" | "live";
  readonly version: string;
  readonly limits?: Partial<HttpLimits>;
  /** From `readTls`; without it the listener is a plain one. */
  readonly tls?: TlsSettings | undefined;
  readonly tlsTerminatedByProxy?: boolean;
  /** Whether API keys can be bound to client certificates. Default: whether the listener asks for any. */
  readonly clientCertificates?: boolean;
  /** Whether audit lines wait to be written in such numbers that no more may be made. */
  readonly auditBlocked?: () => boolean;
  /** What a new audit log is called in its checkpoints, and who cosigns them. */
  readonly log?: {
    readonly origin?: string | undefined;
    readonly witnesses: readonly WitnessAddress[];
    readonly outbound: Outbound;
  } & Pick<AuditTreeDeps, "sealer" | "alarmMs" | "monotonic">;
  /** Where audit events are copied to. */
  readonly sinks?: readonly Sink[];
  /** How webhooks are sent, and whether http and this machine are allowed as targets. */
  readonly webhooks?: { readonly outbound: Outbound; readonly development: boolean };
  readonly streams?: Partial<StreamLimits>;
  /** The models in force; without them the factors decide. */
  readonly models?: Models;
  /** Who passkeys are made for. Default: this machine, for development. */
  readonly relyingParty?: RelyingParty;
  /** What takes codes and notices to people. Default: the log, and nothing at all where `environment` is live. */
  readonly codeSender?: CodeSender;
}

export interface App {
  readonly server: HttpServer;
  readonly queue: CommitQueue;
  readonly vault: Vault;
  readonly ids: Ids;
  /** Rotations of keys, dry runs of risk rules, and trainings of models are carried on by `work`, to be called every few seconds. */
  readonly jobs: RotationWorker;
  /** Gives up reviews that were not decided in time; part of `maintain`. */
  readonly reviewExpiry: ReviewExpiry;
  /** Gives up payments whose payers did not come in time; part of `maintain`. */
  readonly actionExpiry: ActionExpiry;
  /** Dry runs alone. */
  readonly dryRuns: DryRunWorker;
  /** Approvals alone: expiry, and executions that nobody waits for. */
  readonly approvals: ApprovalWorker;
  /** Trainings of fraud models alone. */
  readonly trainings: TrainingWorker;
  /** The risk policies in force. */
  readonly policies: Policies;
  /** The models in force. */
  readonly models: Models;
  /** The Merkle log over the audit events, sealed by `worker.work`, to be called several times a second. */
  readonly log: AuditTree;
  /** Copies audit events to the sinks by `work`, to be called about once a second. */
  readonly sinks: SinkWorker;
  /** Delivers webhooks by `work`, to be called several times a second. */
  readonly webhooks: WebhookWorker;
  /** Streams of events that are open on this node. */
  readonly streams: Streams;
  /** Writes what is gathered in memory beside the requests: when keys were used, refused calls that were only counted. To be called every minute. */
  maintain(): Promise<void>;
  /** The same for the last time, when no more requests come. */
  settle(): Promise<void>;
}
