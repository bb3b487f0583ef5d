import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Seeded } from "../test/crash/seed-store.ts";

const fileIn = (directory: string): string => join(directory, "seed.json");

/** Keeps what the seeding made, for those who send requests. */
export function writeSeed(directory: string, seed: Seeded): void {
  writeFileSync(fileIn(directory), JSON.stringify(seed));
}

export function readSeed(directory: string): Seeded {
  return JSON.parse(readFileSync(fileIn(directory), "utf8")) as Seeded;
}
