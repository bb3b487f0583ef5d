import type { OrganisationId, TransactionId } from "#kernel/ids.ts";
import type { Store } from "#storage/index.ts";
import type { RiskLabel } from "./label.ts";
import { decidedKey, labelIdOf, LABELS_INDEX, LABELS_TABLE, riskLabels } from "./label.ts";

export interface LabelQuery {
  /** Inclusive bounds on the time of the latest judgement, ms. */
  readonly from: number | undefined;
  readonly to: number | undefined;
  /**
   * `ascending`: a label that is judged again while the pages are read may come twice, none is missed. `descending`: it may
   * be missed, having become newer than the first page.
   */
  readonly order: "ascending" | "descending";
  /** 1 to 1,000. */
  readonly limit: number;
  readonly cursor: string | undefined;
}

/** A page of an organisation's labels, by the time of their latest judgement. @throws InvalidCursorError, StoreUnavailableError. */
export async function listLabels(
  store: Store,
  organisationId: OrganisationId,
  { from, to, order, limit, cursor }: LabelQuery,
): Promise<{ readonly labels: readonly RiskLabel[]; readonly cursor: string | undefined }> {
  const page = await store.query({
    table: LABELS_TABLE,
    index: LABELS_INDEX,
    hash: organisationId,
    order,
    limit,
    ...(from === undefined ? {} : { from: decidedKey(from) }),
    // After every id of that millisecond.
    ...(to === undefined ? {} : { to: decidedKey(to, "~") }),
    ...(cursor === undefined ? {} : { cursor }),
  });
  return { labels: page.items.map((item) => riskLabels.fromItem(item)), cursor: page.cursor };
}

/** The labels of transactions, at most 1,000, by transaction; those without any are absent. Strongly consistent. */
export async function labelsOf(
  store: Store,
  organisationId: OrganisationId,
  ids: readonly TransactionId[],
): Promise<ReadonlyMap<TransactionId, RiskLabel>> {
  const found = new Map<TransactionId, RiskLabel>();
  if (ids.length === 0) return found;
  for (const item of await store.getMany(ids.map((id) => ({ table: LABELS_TABLE, key: { hash: labelIdOf(id) } })))) {
    if (item === undefined || item.organisation_id !== organisationId) continue;
    const label = riskLabels.fromItem(item);
    found.set(label.transactionId, label);
  }
  return found;
}
