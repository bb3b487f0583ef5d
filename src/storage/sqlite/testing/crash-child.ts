import { commitUntilKilled } from "#storage/conformance/crash.ts";
import { openSqliteStore } from "../index.ts";

const [file = "", first = ""] = process.argv.slice(2);
await commitUntilKilled(await openSqliteStore({ file }), Number(first));
