import { HeadObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import type { S3ClientConfig } from "@aws-sdk/client-s3";
import type { Clock } from "#kernel/clock.ts";
import type { Random } from "#kernel/random.ts";
import { boundedHandler, errorName, sinkErrorOf } from "../aws-failure.ts";
import type { ArchiveSink, SinkObject } from "../port.ts";
import { SinkError } from "../port.ts";
import { retried } from "../retry.ts";

export interface S3Options {
  readonly bucket: string;
  /** What every key begins with; empty or ending in a slash. */
  readonly prefix: string;
  /** COMPLIANCE: nobody can shorten it, the account's root included. GOVERNANCE: who has the right to can. */
  readonly mode: "COMPLIANCE" | "GOVERNANCE";
  readonly retentionDays: number;
  /** How long a sealed event may wait for its object, ms. */
  readonly everyMs: number;
  readonly clock: Clock;
  readonly random: Random;
  /** Left out, as credentials: found as every AWS tool finds them. */
  readonly region?: string | undefined;
  /** With one, the bucket stands in the path. */
  readonly endpoint?: string | undefined;
  readonly credentials?: NonNullable<S3ClientConfig["credentials"]>;
  /** Milliseconds one attempt may take. Default 30,000. */
  readonly attemptMs?: number;
}

const ATTEMPT_MS = 30_000;
const DAY_MS = 24 * 60 * 60 * 1000;
/** The clocks of both sides, and the time that a PUT takes. */
const SLACK_MS = 60 * 60 * 1000;
/** Waiting leaves that make an object worth while before its time. */
const LEAVES = 4_096;

/** Objects under a lock of S3. A key is written once: what a repetition finds there has to be what it would have written. */
export function openS3Sink(options: S3Options): ArchiveSink {
  const { bucket, prefix, mode, retentionDays, everyMs, clock, random, region, endpoint, credentials, attemptMs = ATTEMPT_MS } = options;
  const client = new S3Client({
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    ...(credentials === undefined ? {} : { credentials }),
    ...boundedHandler(attemptMs),
    // The SHA-256 is ours; a second checksum would only cost.
    requestChecksumCalculation: "WHEN_REQUIRED",
  });
  const bounded = () => ({ abortSignal: AbortSignal.timeout(2 * attemptMs) });

  const write = async ({ key, body, contentType, sha256 }: SinkObject): Promise<void> => {
    const named = { Bucket: bucket, Key: `${prefix}${key}` };
    try {
      await client.send(
        new PutObjectCommand({
          ...named,
          Body: body,
          ContentType: contentType,
          ChecksumSHA256: sha256,
          IfNoneMatch: "*",
          ObjectLockMode: mode,
          ObjectLockRetainUntilDate: new Date(clock.now() + retentionDays * DAY_MS),
        }),
        bounded(),
      );
      return;
    } catch (error) {
      if (errorName(error) !== "PreconditionFailed") throw sinkErrorOf("S3 did not take an object", error);
    }
    // There is one: ours, where an answer got lost, or somebody put it there to keep ours away.
    const found = await client.send(new HeadObjectCommand({ ...named, ChecksumMode: "ENABLED" }), bounded()).catch((error: unknown) => {
      throw sinkErrorOf("S3 did not tell of an object", error);
    });
    if (found.ChecksumSHA256 !== sha256) throw new SinkError(`another object lies at ${named.Key}`, { passing: false });
    // Who puts the same bytes there first, without the lock, could take them away later.
    const written = found.LastModified?.getTime() ?? clock.now();
    const locked = found.ObjectLockMode === mode || found.ObjectLockMode === "COMPLIANCE";
    if (!locked || (found.ObjectLockRetainUntilDate?.getTime() ?? 0) < written + retentionDays * DAY_MS - SLACK_MS)
      throw new SinkError(`the object at ${named.Key} is not locked for ${retentionDays} days, or its lock may not be read`, {
        passing: false,
      });
  };

  return {
    name: "s3",
    takes: "objects",
    // Not the endpoint: the same bucket may be reached by another name.
    place: `s3://${bucket}/${prefix}`,
    every: { leaves: LEAVES, ms: everyMs },
    put: (object) => retried({ clock, random }, () => write(object)),
    close: () => client.destroy(),
  };
}
