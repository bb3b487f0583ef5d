import { cpSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

let copies = 0;

/** Copies `<folder>/good`, a stopped store, and has the copy edited with a SQLite client; gives the file of the copy. */
export function editedCopy(folder: string, edit: (db: DatabaseSync) => void): string {
  copies += 1;
  const copy = join(folder, `copy-${copies}`);
  cpSync(join(folder, "good"), copy, { recursive: true });
  const file = join(copy, "smartfinance.db");
  const db = new DatabaseSync(file);
  edit(db);
  db.close();
  return file;
}
