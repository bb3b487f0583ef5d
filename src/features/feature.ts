import type { DeviceProfile } from "./device-profile.ts";
import type { Pair } from "./pair.ts";
import type { PayeeProfile } from "./payee-profile.ts";
import type { PayerProfile } from "./payer-profile.ts";
import type { Seen } from "./payment.ts";

/** Which state a feature reads. */
export type FeatureSource = "payment" | "account" | "payer" | "pair" | "payee" | "device";

export interface Feature {
  readonly name: string;
  readonly unit: string;
  readonly source: FeatureSource;
  readonly description: string;
  /** Its value when what it reads is not there. Never NaN: no feature is ever missing. */
  readonly absent: number;
  /**
   * More of it is riskier, and it is a known risk: neither a malformed context nor held payments ever lower it, and it never
   * falls below `absent`.
   */
  readonly risky: boolean;
}

/** Everything a vector is written from. Where nothing is stored yet, the empty profiles stand. */
export interface Scene {
  readonly seen: Seen;
  readonly payer: PayerProfile;
  readonly payee: PayeeProfile;
  readonly device: DeviceProfile;
  readonly pair: Pair | undefined;
  /** The payment's time as each profile sees it: never before the profile's own. */
  readonly payerAt: number;
  readonly payeeAt: number;
  readonly deviceAt: number;
}

/** Features that are declared and computed side by side. */
export interface FeatureGroup {
  readonly features: readonly Feature[];
  /** Writes the features' values from `out[i]` on, in their order; returns the index after the last. */
  readonly write: (out: Float64Array, i: number, scene: Scene) => number;
}

/** A feature that is a known risk. */
export function risk(name: string, unit: string, source: FeatureSource, absent: number, description: string): Feature {
  return { name, unit, source, description, absent, risky: true };
}

export function plain(name: string, unit: string, source: FeatureSource, absent: number, description: string): Feature {
  return { name, unit, source, description, absent, risky: false };
}
