import { openJournalStore } from "./journal-store.ts";
import { commitUntilKilled } from "./crash.ts";

const [path = "", fault = "", first = ""] = process.argv.slice(2);
await commitUntilKilled(openJournalStore(path, fault), Number(first));
