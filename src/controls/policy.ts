import { toTimestamp } from "#kernel/clock.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Currency, Minor } from "#kernel/money.ts";
import { minorFromWire, minorToWire } from "#kernel/money.ts";
import type { Collection, Key, Store, Versioned } from "#storage/index.ts";

/** The most approvals that one operation may need. */
export const MAX_APPROVALS = 3;
/** How long an approval waits without being told otherwise: three days. */
export const DEFAULT_EXPIRY_HOURS = 72;
export const MAX_EXPIRY_HOURS = 720;
export const MAX_LIMITS = 20;

/** What is asked of one kind of operation. A kind that the policy does not name needs nobody. */
export interface Control {
  /** Persons beside the maker, 1 to 3. */
  readonly approvals: number;
  /** Only above these amounts. `null`: always. A currency that is not named has no limit, so it always needs approval. */
  readonly above: ReadonlyMap<Currency, Minor> | null;
}

/** Which operations of an organisation need a second person. `version` 0: nothing was ever set, and nothing does. */
export interface ControlPolicy extends Versioned {
  readonly organisationId: OrganisationId;
  readonly controls: ReadonlyMap<string, Control>;
  readonly expiryHours: number;
  readonly updatedAt: number | null;
}

/** What the policy is held against. */
export interface Facts {
  /** The amount at stake in minor units, for kinds that know one. */
  readonly amount?: Minor;
  readonly currency?: Currency;
  /** The request makes somebody an approver, or a maker whom its own maker could then check. */
  readonly makesApprover?: boolean;
  /** Approvals that are needed whatever the policy says of the kind. */
  readonly approvals?: number;
}

export function defaultControlPolicy(organisationId: OrganisationId): ControlPolicy {
  return { organisationId, controls: new Map(), expiryHours: DEFAULT_EXPIRY_HOURS, updatedAt: null, version: 0 };
}

/** What an entity tag names: one more than the stored version, so that a policy nobody has set yet has one, too. */
export function controlPolicyTag({ version }: ControlPolicy): number {
  return version + 1;
}

/**
 * How many persons beside the maker an operation needs; 0 when it may go its way.
 *
 * Once anything is controlled, making somebody an approver is controlled as well: whoever could make a colleague out of a second
 * key of his own would be that colleague.
 */
export function needsApproval(
  policy: ControlPolicy,
  operation: { readonly kind: string; readonly always?: boolean },
  facts: Facts,
): number {
  const control = policy.controls.get(operation.kind);
  const least = Math.max(facts.approvals ?? 0, control?.approvals ?? 0);
  if (operation.always === true || facts.approvals !== undefined) return Math.max(1, least);
  if (facts.makesApprover === true && policy.controls.size > 0) return Math.max(1, least);
  if (control === undefined) return 0;
  if (control.above === null || facts.amount === undefined || facts.currency === undefined) return control.approvals;
  const limit = control.above.get(facts.currency);
  return limit === undefined || facts.amount > limit ? control.approvals : 0;
}

/**
 * The kinds in which `after` asks for less than `before`, with the approvals that `before` asked for: what has to be approved
 * before it holds.
 */
export function loosened(before: ControlPolicy, after: Pick<ControlPolicy, "controls">): ReadonlyMap<string, number> {
  const looser = new Map<string, number>();
  for (const [kind, was] of before.controls) {
    const is = after.controls.get(kind);
    if (is === undefined || is.approvals < was.approvals || raisesLimits(was.above, is.above)) looser.set(kind, was.approvals);
  }
  return looser;
}

/** Whether some amount that needed approval would need none. */
function raisesLimits(was: Control["above"], is: Control["above"]): boolean {
  if (is === null) return false;
  for (const [currency, limit] of is) {
    const former = was?.get(currency);
    // No former limit: every amount of the currency needed approval.
    if (former === undefined || limit > former) return true;
  }
  return false;
}

export const CONTROL_POLICIES_TABLE = "smartfinance-control-policies";

export function controlPolicyKey(organisationId: OrganisationId): Key {
  return { hash: organisationId };
}

export const controlPolicies: Collection<ControlPolicy> = {
  table: CONTROL_POLICIES_TABLE,
  keyOf: ({ organisationId }) => controlPolicyKey(organisationId),
  toItem: (policy) => ({
    id: policy.organisationId,
    controls: presentControls(policy.controls),
    expiry_hours: policy.expiryHours,
    updated_at: policy.updatedAt,
    version: policy.version,
  }),
  fromItem: (item) => ({
    organisationId: item.id as OrganisationId,
    controls: readControls(item.controls as unknown as readonly ControlFields[]),
    expiryHours: Number(item.expiry_hours),
    updatedAt: item.updated_at as number | null,
    version: Number(item.version),
  }),
};

/** A control on the wire, and as it is stored. */
export interface ControlFields {
  readonly kind: string;
  readonly approvals: number;
  readonly above_amount: readonly { readonly currency: Currency; readonly amount: number }[] | null;
}

export function readControls(fields: readonly ControlFields[]): ReadonlyMap<string, Control> {
  return new Map(
    fields.map(({ kind, approvals, above_amount: above }) => [
      kind,
      { approvals, above: above === null ? null : new Map(above.map(({ currency, amount }) => [currency, minorFromWire(amount)])) },
    ]),
  );
}

export function presentControls(controls: ControlPolicy["controls"]): JsonObject[] {
  return [...controls]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([kind, { approvals, above }]) => ({
      kind,
      approvals,
      above_amount:
        above === null
          ? null
          : [...above].sort(([a], [b]) => (a < b ? -1 : 1)).map(([currency, amount]) => ({ currency, amount: minorToWire(amount) })),
    }));
}

/** The policy as the API shows it. */
export function presentControlPolicy(policy: ControlPolicy): JsonObject {
  return {
    id: policy.organisationId,
    object: "control_policy",
    controls: presentControls(policy.controls),
    expiry_hours: policy.expiryHours,
    updated_at: policy.updatedAt === null ? null : toTimestamp(policy.updatedAt),
    version: controlPolicyTag(policy),
  };
}

/** The policy in force. Strongly consistent: what was switched on holds for the next request on every node. */
export async function readControlPolicy(store: Store, organisationId: OrganisationId): Promise<ControlPolicy> {
  const item = await store.get(CONTROL_POLICIES_TABLE, controlPolicyKey(organisationId));
  return item === undefined ? defaultControlPolicy(organisationId) : controlPolicies.fromItem(item);
}
