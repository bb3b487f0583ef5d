import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { OrganisationId } from "#kernel/ids.ts";

/** What the seeding made, for those who send requests. */
export interface SeedFile {
  readonly organisationId: OrganisationId;
  readonly apiKey: string;
  readonly users: number;
  /** Account n belongs to user n modulo `users`. */
  readonly accounts: readonly string[];
  /** The deposit that funded each account. */
  readonly transactions: readonly string[];
}

const fileIn = (directory: string): string => join(directory, "seed.json");

export function writeSeed(directory: string, seed: SeedFile): void {
  writeFileSync(fileIn(directory), JSON.stringify(seed));
}

export function readSeed(directory: string): SeedFile {
  return JSON.parse(readFileSync(fileIn(directory), "utf8")) as SeedFile;
}
