import assert from "node:assert/strict";
import { writeSync } from "node:fs";
import { openFaulty } from "./faults.ts";

/**
 * Changes a few accounts again and again, each commit with an idempotency record of its own, and now and then removes
 * an account and puts it anew, until it is killed. Prints `account version` once a commit is acknowledged. A
 * generation is so small here that a kill meets every state of folding.
 */
const [file = "", from = ""] = process.argv.slice(2);
const { store } = await openFaulty({ file, cacheItems: 2 }, { generationEntries: 20 });
const ACCOUNTS = "smartfinance-accounts";

const lane = async (account: string): Promise<void> => {
  for (let version = Number(from); version < Number(from) + 1_000_000; version++) {
    const item = { id: account, organisation_id: "org", user_id: `user-of-${account}`, version, padding: "x".repeat(version % 700) };
    const record = {
      op: "put",
      table: "smartfinance-idempotency",
      item: { id: `${account}/${version}`, version },
      condition: "absent",
    } as const;
    const before = await store.get(ACCOUNTS, { hash: account });
    if (version % 7 === 3 && before !== undefined) {
      const removal = {
        op: "delete",
        table: ACCOUNTS,
        key: { hash: account },
        condition: { version: before["version"] as number },
      } as const;
      assert.equal((await store.commit([removal])).outcome, "committed");
      writeSync(1, `${account} removed ${before["version"] as number}\n`);
    }
    const now = await store.get(ACCOUNTS, { hash: account });
    const condition = now === undefined ? "absent" : version % 5 === 4 ? "none" : { version: now["version"] as number };
    assert.equal((await store.commit([{ op: "put", table: ACCOUNTS, item, condition }, record])).outcome, "committed");
    writeSync(1, `${account} put ${version}\n`);
  }
};
await Promise.all(Array.from({ length: 6 }, (_, n) => lane(`acc-${n}`)));
