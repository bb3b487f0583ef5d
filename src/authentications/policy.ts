import { toTimestamp } from "#kernel/clock.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Collection, Key, Versioned } from "#storage/index.ts";

export const POLICIES_TABLE = "smartfinance-sca-policies";

/**
 * `off`: what risk would challenge goes to a review. `risk_only`: the payer answers what risk challenges. `psd2`: every payment of a user's
 * account is authenticated, unless an exemption covers it.
 */
export const scaModes = ["off", "risk_only", "psd2"] as const;
export type ScaMode = (typeof scaModes)[number];

/** How small payments are counted: the regulation lets the provider choose one (EBA-Op-2018-04). */
export const lowValueMeasures = ["off", "amount", "count"] as const;
export type LowValueMeasure = (typeof lowValueMeasures)[number];

/** How an organisation authenticates its payers. Exemptions hold in the mode `psd2` only. */
export interface ScaTerms {
  readonly mode: ScaMode;
  readonly lowValue: LowValueMeasure;
  readonly trustedBeneficiaries: boolean;
  readonly recurring: boolean;
  readonly ownAccounts: boolean;
  readonly riskAnalysis: boolean;
  /** The reported fraud rate of credit transfers, in millionths of their value; null: none reported, no exemption by risk analysis. */
  readonly fraudRatePpm: number | null;
  /** Only keys that cannot leave their device prove possession; passkeys that are synchronised do not. */
  readonly deviceBound: boolean;
}

export interface ScaPolicy extends ScaTerms, Versioned {
  readonly organisationId: OrganisationId;
  readonly updatedAt: number | null;
}

/** What holds until an organisation says otherwise: payments that risk challenges are answered by the payer, everything else is as before. */
export const DEFAULT_TERMS: ScaTerms = {
  mode: "risk_only",
  lowValue: "amount",
  trustedBeneficiaries: true,
  recurring: true,
  ownAccounts: true,
  riskAnalysis: false,
  fraudRatePpm: null,
  deviceBound: false,
};

export function defaultScaPolicy(organisationId: OrganisationId): ScaPolicy {
  return { ...DEFAULT_TERMS, organisationId, updatedAt: null, version: 0 };
}

export function scaPolicyKey(organisationId: OrganisationId): Key {
  return { hash: organisationId };
}

export const scaPolicies: Collection<ScaPolicy> = {
  table: POLICIES_TABLE,
  keyOf: ({ organisationId }) => scaPolicyKey(organisationId),
  toItem: (policy) => ({
    id: policy.organisationId,
    ...presentTerms(policy),
    updated_at: policy.updatedAt,
    version: policy.version,
  }),
  fromItem: (item) => ({
    organisationId: item.id as OrganisationId,
    mode: item.sca as ScaMode,
    lowValue: item.low_value as LowValueMeasure,
    trustedBeneficiaries: item.trusted_beneficiaries as boolean,
    recurring: item.recurring as boolean,
    ownAccounts: item.own_accounts as boolean,
    riskAnalysis: item.risk_analysis as boolean,
    fraudRatePpm: item.fraud_rate_ppm as number | null,
    deviceBound: item.device_bound as boolean,
    updatedAt: item.updated_at as number | null,
    version: Number(item.version),
  }),
};

/** The terms under the names of the API. */
export function presentTerms(terms: ScaTerms): JsonObject {
  return {
    sca: terms.mode,
    low_value: terms.lowValue,
    trusted_beneficiaries: terms.trustedBeneficiaries,
    recurring: terms.recurring,
    own_accounts: terms.ownAccounts,
    risk_analysis: terms.riskAnalysis,
    fraud_rate_ppm: terms.fraudRatePpm,
    device_bound: terms.deviceBound,
  };
}

/** What an entity tag names: one more than the stored version, so that a policy nobody has set yet has one, too. */
export const policyTag = ({ version }: ScaPolicy): number => version + 1;

/** The policy as the API shows it. */
export function presentPolicy(policy: ScaPolicy): JsonObject {
  return {
    id: policy.organisationId,
    object: "sca_policy",
    ...presentTerms(policy),
    updated_at: policy.updatedAt === null ? null : toTimestamp(policy.updatedAt),
    version: policyTag(policy),
  };
}
