import { closeSync, copyFileSync, fsyncSync, mkdirSync, mkdtempSync, openSync, readdirSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "#kernel/clock.ts";
import { type LedgerReport, type Opening, verifyLedger } from "../test/crash/verify-ledger.ts";
import { openData } from "../test/crash/seed-store.ts";
import type { StoreChoice } from "../test/crash/server-process.ts";
import { readSeed } from "./seed-file.ts";

const TMPFS = 0x01021994;
/** Computing every checksum anew would take longer than the run. */
const CHECKSUM_EVERY = 20;

/**
 * A new directory on a disk, removed when this process ends.
 * @throws Error when the temporary directory is in memory: nothing there is durable
 */
export function createWorkDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "smartfinance-bench-"));
  process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
  if (statfsSync(directory).type === TMPFS) throw new Error(`${tmpdir()} is in memory; set TMPDIR to a directory on a disk`);
  return directory;
}

/** Copies the files of a closed store, and waits until the copy is on the disk and no longer in its way. */
export function copyData(from: string, to: string): void {
  mkdirSync(to, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(from)) {
    copyFileSync(join(from, name), join(to, name));
    const file = openSync(join(to, name), "r+");
    fsyncSync(file);
    closeSync(file);
  }
}

export interface Check {
  readonly store: StoreChoice;
  readonly dataDir: string;
  readonly seedDir: string;
  readonly since?: number;
  readonly openings?: ReadonlyMap<string, Opening>;
}

/** Verifies data that no server has open. */
export async function verifyData({ store: choice, dataDir, seedDir, since, openings }: Check): Promise<LedgerReport> {
  const { organisationId } = readSeed(seedDir);
  const store = await openData(choice, dataDir);
  try {
    return await verifyLedger({
      store,
      organisationId,
      checksumEvery: CHECKSUM_EVERY,
      at: systemClock.now(),
      ...(since === undefined ? {} : { since }),
      ...(openings === undefined ? {} : { openings }),
    });
  } finally {
    await store.close();
  }
}
