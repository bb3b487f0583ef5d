import { type SeedOrder, seedStore } from "../test/crash/seed-store.ts";
import { writeSeed } from "./seed-file.ts";

/** What this process is told on its command line, as JSON. */
export interface SeedTask extends SeedOrder {
  /** Where seed.json goes. */
  readonly seedDir: string;
}

const task = JSON.parse(process.argv[2] ?? "") as SeedTask;
writeSeed(task.seedDir, await seedStore(task, (line) => void process.stderr.write(`  ${line}\n`)));
