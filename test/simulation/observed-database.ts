import type { MemoryDatabase } from "#storage/memory/database.ts";
import type { Item, Write } from "#storage/port.ts";
import { keyOf } from "#storage/validate-commit.ts";

/** A commit that happened: its writes, and what stood under their keys before. */
export interface AppliedCommit {
  readonly writes: readonly Write[];
  readonly before: readonly (Item | undefined)[];
}

export interface ObservedDatabase extends MemoryDatabase {
  /** How many commits have happened. */
  readonly commits: number;
}

/** Tells of every commit that happens, right after it, in the order in which they happen; also of those that come through late. */
export function observeDatabase(
  inner: MemoryDatabase,
  onCommit: (commit: AppliedCommit) => void,
  onLost: (write: Write) => void,
): ObservedDatabase {
  let commits = 0;
  let late: { readonly writes: readonly Write[]; operations: number }[] = [];

  const keyOfWrite = (write: Write) => (write.op === "put" ? keyOf(write.table, write.item) : write.key);

  const apply = (writes: readonly Write[]): number[] => {
    const before = writes.map((write) => inner.read(write.table, keyOfWrite(write)));
    const failing = inner.apply(writes);
    if (failing.length > 0 || writes.length === 0) return failing;
    commits += 1;
    for (const write of writes) {
      const stored = inner.read(write.table, keyOfWrite(write));
      if (write.op === "put" ? stored !== write.item : write.op === "delete" && stored !== undefined) onLost(write);
    }
    onCommit({ writes, before });
    return failing;
  };

  return {
    ...inner,
    get commits() {
      return commits;
    },
    apply,
    applyLater(writes, operations) {
      late.push({ writes, operations });
    },
    beginOperation() {
      if (late.length === 0) return;
      for (const one of late) one.operations -= 1;
      const due = late.filter(({ operations }) => operations <= 0);
      late = late.filter(({ operations }) => operations > 0);
      for (const { writes } of due) apply(writes);
    },
    settle() {
      const due = late;
      late = [];
      for (const { writes } of due) apply(writes);
    },
  };
}
