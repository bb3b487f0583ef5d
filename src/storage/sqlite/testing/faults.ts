import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openWith, type SqliteOptions, type SqliteStore } from "../store.ts";
import { FAULTS } from "./fault-kinds.ts";
import type { Fault, FaultyWriterData } from "./fault-kinds.ts";

export interface FaultyStore {
  readonly store: SqliteStore;
  readonly arm: (fault: Fault) => void;
}

/** Opens a store whose writer can be made to fail. */
export async function openFaulty(options: SqliteOptions, more: Omit<FaultyWriterData, "control"> = {}): Promise<FaultyStore> {
  const control = new Int32Array(new SharedArrayBuffer(4));
  const store = await openWith(options, { writer: new URL("./faulty-writer.ts", import.meta.url), writerData: { control, ...more } });
  return { store, arm: (fault) => void Atomics.store(control, 0, FAULTS[fault]) };
}

export interface Place {
  readonly directory: string;
  readonly file: string;
  remove(): Promise<void>;
}

/** A directory of its own for one store. */
export async function newPlace(): Promise<Place> {
  const directory = await mkdtemp(join(tmpdir(), "sqlite-store-"));
  return { directory, file: join(directory, "data.db"), remove: () => rm(directory, { recursive: true, force: true }) };
}
