import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, stat, symlink } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { systemRandom, unitInterval } from "#kernel/random.ts";
import { crashRounds } from "../conformance/crash.ts";
import { type Injector, storeConformance } from "../conformance/suite.ts";
import { openSqliteReadOnly, openSqliteStore, StoreOwnedError, StoreSchemaError } from "./index.ts";
import { SCHEMA_VERSION } from "./schema.ts";
import { newPlace, openFaulty } from "./testing/faults.ts";

storeConformance("sqlite", async () => {
  const place = await newPlace();
  let store = await openSqliteStore({ file: place.file });
  return {
    store,
    async reopen() {
      await store.close();
      store = await openSqliteStore({ file: place.file });
      return store;
    },
    async dispose() {
      await store.close();
      await place.remove();
    },
  };
});

// Generations of five entries and a cache of two items: everything is folded and forgotten all the time.
storeConformance("sqlite, folding all the time", async () => {
  const place = await newPlace();
  const open = () => openFaulty({ file: place.file, cacheItems: 2 }, { generationEntries: 5 });
  let { store, arm } = await open();
  const inject: Injector = {
    offers: ["unavailable"],
    arm: () => arm("fullBeforeCommit"),
    disarm: () => arm("none"),
  };
  return {
    store,
    inject,
    async reopen() {
      await store.close();
      ({ store, arm } = await open());
      return store;
    },
    async dispose() {
      await store.close();
      await place.remove();
    },
  };
});

void describe("new rows of hot tables without indexes", () => {
  const table = "smartfinance-risk-devices";
  const put = (id: string, version: number, condition: "absent" | { version: number }) =>
    ({ op: "put", table, item: { id, version }, condition }) as const;

  void it("wait in the journal and are there all the same: once, for reads, versions, deletes and after a crash", async () => {
    const place = await newPlace();
    try {
      const store = await openSqliteStore({ file: place.file });
      const outcome = async (...writes: Parameters<typeof store.commit>[0]) => (await store.commit(writes)).outcome;
      assert.equal(await outcome(put("a", 1, "absent"), put("b", 1, "absent"), put("c", 1, "absent")), "committed");
      assert.equal(await outcome(put("a", 1, "absent")), "conflict");
      assert.equal(await outcome(put("a", 3, { version: 2 })), "conflict");
      assert.equal(await outcome(put("a", 2, { version: 1 })), "committed");
      assert.equal(await outcome({ op: "delete", table, key: { hash: "b" }, condition: { version: 1 } }), "committed");
      assert.equal(await outcome({ op: "delete", table, key: { hash: "c" }, condition: { version: 1 } }), "committed");
      assert.equal(await outcome(put("c", 7, "absent")), "committed");
      const rows = new DatabaseSync(place.file, { readOnly: true }).prepare(`SELECT count(*) AS n FROM "${table}"`).get();
      assert.equal(rows?.["n"], 0, "none of them is at its place yet");
      const expected = [{ id: "a", version: 2 }, undefined, { id: "c", version: 7 }];
      const read = (from: typeof store) => from.getMany(["a", "b", "c"].map((hash) => ({ table, key: { hash } })));
      assert.deepEqual(await read(store), expected);
      // The files as a crash would leave them.
      for (const end of ["", "-wal"]) await copyFile(`${place.file}${end}`, join(place.directory, `crashed.db${end}`));
      const crashed = await openSqliteStore({ file: join(place.directory, "crashed.db") });
      assert.deepEqual(await read(crashed), expected);
      assert.equal((await crashed.commit([put("b", 1, "absent"), put("a", 3, { version: 2 })])).outcome, "committed");
      await crashed.close();
      await store.close();
    } finally {
      await place.remove();
    }
  });
});

void describe("kill -9", () => {
  void it("loses nothing that was acknowledged and keeps nothing by half", async () => {
    const place = await newPlace();
    try {
      const report = await crashRounds({
        script: new URL("./testing/crash-child.ts", import.meta.url),
        args: [place.file],
        rounds: 3,
        reopen: () => openSqliteStore({ file: place.file }),
        random: systemRandom(),
      });
      assert.ok(report.acknowledged > 0);
    } finally {
      await place.remove();
    }
  });

  void it("finds the newest update of every account, wherever its folding was", async () => {
    const place = await newPlace();
    const random = systemRandom();
    try {
      for (let round = 0; round < 4; round++) {
        const child = spawn(
          process.execPath,
          [fileURLToPath(new URL("./testing/update-child.ts", import.meta.url)), place.file, String(round * 1_000_000 + 1)],
          {
            stdio: ["ignore", "pipe", "inherit"],
          },
        );
        let out = "";
        child.stdout.setEncoding("utf8").on("data", (text: string) => {
          out += text;
        });
        const closed = once(child, "close");
        await Promise.race([once(child.stdout, "data"), closed]);
        await sleep(unitInterval(random) * 300);
        child.kill("SIGKILL");
        await closed;
        assert.equal(child.signalCode, "SIGKILL", "the child ended by itself");
        const store = await openSqliteStore({ file: place.file });
        try {
          const lines = out.split("\n").slice(0, -1);
          for (let n = 0; n < 6; n++) {
            const id = `acc-${n}`;
            const own = lines.map((line) => line.split(" ")).filter(([account]) => account === id);
            const last = own.at(-1);
            if (last === undefined) continue;
            const [, what, text] = last;
            const version = Number(text);
            const found = (await store.get("smartfinance-accounts", { hash: id }))?.["version"];
            // One commit of each lane may be written without having been acknowledged.
            const allowed =
              what === "put" ? [version, version + 1, ...((version + 1) % 7 === 3 ? [undefined] : [])] : [undefined, version + 1];
            assert.ok(allowed.includes(found as number | undefined), `${id}: last acknowledged ${last.join(" ")}, found ${String(found)}`);
            for (const [, kind, put] of own) {
              if (kind !== "put") continue;
              assert.ok(
                (await store.get("smartfinance-idempotency", { hash: `${id}/${put}` })) !== undefined,
                `the record of ${id} ${put} is missing`,
              );
            }
            if (found === undefined) continue;
            const listed = await store.query({
              table: "smartfinance-accounts",
              index: "UserAccountsIndex",
              hash: `user-of-${id}`,
              order: "ascending",
              limit: 10,
            });
            assert.deepEqual(
              listed.items.map((item) => item["version"]),
              [found],
            );
          }
        } finally {
          await store.close();
        }
      }
    } finally {
      await place.remove();
    }
  });
});

void describe("files", () => {
  void it("are for the owner only", async () => {
    const place = await newPlace();
    const directory = join(place.directory, "made", "deeper");
    const store = await openSqliteStore({ file: join(directory, "data.db") });
    try {
      assert.equal((await stat(directory)).mode & 0o777, 0o700);
      for (const suffix of ["", "-wal", "-shm", ".lock"])
        assert.equal((await stat(join(directory, `data.db${suffix}`))).mode & 0o777, 0o600, suffix);
    } finally {
      await store.close();
      await place.remove();
    }
  });

  void it("are refused while another store of this process or another process has them", async () => {
    const place = await newPlace();
    try {
      const first = await openSqliteStore({ file: place.file });
      const refused = (error: unknown): boolean =>
        error instanceof StoreOwnedError && error.message.includes(place.file) && error.message.includes("SmartFinance process");
      // Twice, because a refusal must not free the lock by accident.
      await assert.rejects(openSqliteStore({ file: place.file }), refused);
      await assert.rejects(openSqliteStore({ file: join(place.directory, ".", "data.db") }), refused);
      const script = `import { openSqliteStore } from ${JSON.stringify(new URL("./index.ts", import.meta.url).href)};
        try { await openSqliteStore({ file: process.argv[1] }); } catch (error) { console.log(error.name); }`;
      const other = spawn(process.execPath, ["--input-type=module", "-e", script, place.file], { stdio: ["ignore", "pipe", "inherit"] });
      const [name] = (await once(other.stdout, "data")) as [Buffer];
      assert.equal(name.toString().trim(), "StoreOwnedError");
      await first.ping();
      await first.close();
      await (await openSqliteStore({ file: place.file })).close();
    } finally {
      await place.remove();
    }
  });

  void it("are one file whatever link leads to them", async () => {
    const place = await newPlace();
    const link = join(place.directory, "link.db");
    try {
      const store = await openSqliteStore({ file: place.file });
      await symlink(place.file, link);
      await assert.rejects(openSqliteStore({ file: link }), StoreOwnedError);
      assert.throws(() => openSqliteReadOnly(link), StoreOwnedError);
      await store.close();
      await (await openSqliteStore({ file: link })).close();
      // A link to a file that is not there yet.
      await symlink("later.db", join(place.directory, "early.db"));
      const later = await openSqliteStore({ file: join(place.directory, "early.db") });
      await assert.rejects(openSqliteStore({ file: join(place.directory, "early.db") }), StoreOwnedError);
      await assert.rejects(openSqliteStore({ file: join(place.directory, "later.db") }), StoreOwnedError);
      await later.close();
    } finally {
      await place.remove();
    }
  });

  void it("of a newer release are refused and left as they are", async () => {
    const place = await newPlace();
    try {
      await (await openSqliteStore({ file: place.file })).close();
      const db = new DatabaseSync(place.file);
      db.exec(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`);
      db.close();
      const refused = (error: unknown): boolean => error instanceof StoreSchemaError && error.message.includes(String(SCHEMA_VERSION + 1));
      await assert.rejects(openSqliteStore({ file: place.file }), refused);
      // Not StoreOwnedError: a failed opening gives the file back.
      await assert.rejects(openSqliteStore({ file: place.file }), refused);
      assert.throws(() => openSqliteReadOnly(place.file), refused);
    } finally {
      await place.remove();
    }
  });

  void it("of an older release gain the columns of new indexes, with the rows of before in them", async () => {
    const place = await newPlace();
    try {
      const before = await openSqliteStore({ file: place.file });
      const users = ["a", "b", "c"].map((id) => ({
        id,
        organisation_id: "o",
        ...(id === "c" ? {} : { status_key: "o#active" }),
        version: 1,
      }));
      await before.commit(users.map((item) => ({ op: "put", table: "smartfinance-users", item, condition: "absent" })));
      await before.close();
      const db = new DatabaseSync(place.file);
      db.exec(`DROP INDEX "smartfinance-users/StatusUsersIndex"; ALTER TABLE "smartfinance-users" DROP COLUMN "x_status_key"`);
      db.close();
      const after = await openSqliteStore({ file: place.file });
      const late = { id: "d", organisation_id: "o", status_key: "o#active", version: 1 };
      await after.commit([{ op: "put", table: "smartfinance-users", item: late, condition: "absent" }]);
      const query = { table: "smartfinance-users", index: "StatusUsersIndex", hash: "o#active", order: "ascending", limit: 10 } as const;
      assert.deepEqual(
        (await after.query(query)).items.map(({ id }) => id),
        ["a", "b", "d"],
      );
      await after.close();
    } finally {
      await place.remove();
    }
  });

  void it("that an older release had meanwhile are found by indexes it does not know, as their rows now are", async () => {
    const place = await newPlace();
    const user = (id: string, status: string) => ({ id, organisation_id: "o", status_key: `o#${status}`, version: 1 });
    const listed = async (status: string): Promise<unknown[]> => {
      const store = await openSqliteStore({ file: place.file });
      const query = { table: "smartfinance-users", index: "StatusUsersIndex", hash: `o#${status}`, order: "ascending", limit: 10 } as const;
      const { items } = await store.query(query);
      await store.close();
      return items.map(({ id }) => id);
    };
    try {
      const store = await openSqliteStore({ file: place.file });
      const puts = ["a", "b"].map(
        (id) => ({ op: "put", table: "smartfinance-users", item: user(id, "active"), condition: "absent" }) as const,
      );
      await store.commit(puts);
      await store.close();
      // What a release writes that knows neither the index nor its column: a row without it, and a body beside a column of before.
      const olderWrites = (id: string, end: string): void => {
        const db = new DatabaseSync(place.file);
        const insert = db.prepare(
          `INSERT INTO "smartfinance-users" (hash, version, body, x_organisation_id) VALUES (?, 1, ?, 'o')
           ON CONFLICT (hash) DO UPDATE SET body = excluded.body`,
        );
        insert.run(id, JSON.stringify(user(id, "active")));
        insert.run("b", JSON.stringify(user("b", "restricted")));
        db.exec(end);
        db.close();
      };
      // One of before files said which columns are filled, and one that has said so.
      olderWrites("c", "DROP TABLE kept_columns; PRAGMA user_version = 2");
      assert.deepEqual([await listed("active"), await listed("restricted")], [["a", "c"], ["b"]]);
      olderWrites("d", "DELETE FROM kept_columns WHERE name = 'smartfinance-users/status_key'");
      assert.deepEqual([await listed("active"), await listed("restricted")], [["a", "c", "d"], ["b"]]);
    } finally {
      await place.remove();
    }
  });

  void it("say which columns this release fills, not those that a newer one did", async () => {
    const place = await newPlace();
    const kept = (sql: string): unknown[] => {
      const db = new DatabaseSync(place.file);
      const rows = db.prepare(sql).all();
      db.close();
      return rows.map((row) => row["name"]);
    };
    try {
      await (await openSqliteStore({ file: place.file })).close();
      const before = kept("SELECT name FROM kept_columns ORDER BY name");
      assert.ok(before.includes("smartfinance-users/status_key"));
      kept("INSERT INTO kept_columns VALUES ('smartfinance-users/of_a_newer_release') RETURNING name");
      await (await openSqliteStore({ file: place.file })).close();
      assert.deepEqual(kept("SELECT name FROM kept_columns ORDER BY name"), before);
    } finally {
      await place.remove();
    }
  });

  void it("of an older release give partitioned tables another unique index, which finds and guards the rows of before", async () => {
    const place = await newPlace();
    const table = "smartfinance-transactions";
    const put = (partition: string, id: string) =>
      ({ op: "put", table, item: { partition, id, version: 1 }, condition: "absent" }) as const;
    try {
      const before = await openSqliteStore({ file: place.file });
      await before.commit([put("o#1", "a"), put("o#2", "a"), put("o#1", "b"), put("p#1", "c")]);
      await before.close();
      const db = new DatabaseSync(place.file);
      db.exec(`DROP INDEX "${table}/key"; CREATE UNIQUE INDEX "${table}/key" ON "${table}" (hash, range); PRAGMA user_version = 1`);
      db.close();
      const after = await openSqliteStore({ file: place.file });
      assert.equal((await after.commit([put("o#2", "a")])).outcome, "conflict");
      assert.equal((await after.commit([put("o#2", "b")])).outcome, "committed");
      assert.deepEqual(await after.get(table, { hash: "o#1", range: "b" }), { partition: "o#1", id: "b", version: 1 });
      const page = async (hash: string, cursor?: string) =>
        after.query({ table, hash, order: "descending", limit: 1, ...(cursor === undefined ? {} : { cursor }) });
      const first = await page("o#1");
      const second = await page("o#1", first.cursor);
      assert.deepEqual([first.items[0]?.["id"], second.items[0]?.["id"], second.cursor], ["b", "a", undefined]);
      await after.close();
    } finally {
      await place.remove();
    }
  });

  void it("that are no database are refused", async () => {
    const place = await newPlace();
    try {
      await mkdir(place.file);
      await assert.rejects(openSqliteStore({ file: place.file }));
    } finally {
      await place.remove();
    }
  });
});
