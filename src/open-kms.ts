import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "#kernel/clock.ts";
import type { Random } from "#kernel/random.ts";
import type { Kms } from "#vault/index.ts";
import { openLocalKms } from "#vault/index.ts";
import type { Config } from "./config.ts";
import { ConfigError } from "./config.ts";

/** Where the local engine keeps its wrapping keys. */
export function keyFileOf(config: Config): string {
  return join(config.dataDir, "kms.json");
}

/** What opens this installation's data keys, for messages. */
export function keysNamed(config: Config): string {
  return config.kms.engine === "aws" ? `KMS key ${config.kms.keyId}` : `key file ${keyFileOf(config)}`;
}

/**
 * Opens the configured key management service. The AWS SDK is loaded on demand.
 * @param installed whether the store holds sealed data already, so that a missing key file must not be made anew
 * @throws ConfigError, KeyFileError, KmsKeyUnusableError, KmsUnavailableError
 */
export async function openKms(config: Config, clock: Clock, random: Random, installed: boolean): Promise<Kms> {
  const { environment } = config;
  if (config.kms.engine === "aws") {
    const { keyId, endpoint } = config.kms;
    const { openAwsKms } = await import("#vault/aws/index.ts");
    return openAwsKms({ keyId, environment, ...(endpoint === undefined ? {} : { endpoint }) });
  }
  const file = keyFileOf(config);
  if (installed && !existsSync(file))
    throw new ConfigError(
      `the key file ${file} is missing; without it what this store has sealed cannot be read: restore it from its backup`,
    );
  return openLocalKms({ file, random, clock, environment });
}
