import { hash } from "node:crypto";
import { invariant } from "#kernel/assert.ts";
import { canonicalJson } from "#kernel/canonical-json.ts";
import { amountFeatures } from "./amount-features.ts";
import { type DeviceProfile, labelDevice, observeDevice, UNKNOWN_DEVICE } from "./device-profile.ts";
import type { Feature, FeatureGroup } from "./feature.ts";
import { habitFeatures } from "./habit-features.ts";
import { optionalKey } from "./keys.ts";
import { labelFeatures } from "./label-features.ts";
import { findPair } from "./pair.ts";
import { labelPayee, observePayee, type PayeeProfile, UNKNOWN_PAYEE } from "./payee-profile.ts";
import { labelPayer, observePayer, type PayerProfile, UNKNOWN_PAYER } from "./payer-profile.ts";
import { type FraudLabel, type Outcome, readTime, type Seen } from "./payment.ts";
import { timeFeatures } from "./time-features.ts";
import { velocityFeatures } from "./velocity-features.ts";

/** Raised by hand when a feature's meaning changes although its declaration does not. */
export const FEATURES_VERSION = 1;

const groups: readonly FeatureGroup[] = [velocityFeatures, amountFeatures, timeFeatures, habitFeatures, labelFeatures];

/** Every feature, in the order of the vector. */
export const FEATURES: readonly Feature[] = groups.flatMap((group) => group.features);

/** SHA-256 (hex) of version and declarations: a model trained on other features does not fit. */
export const FEATURES_HASH: string = hash(
  "sha256",
  canonicalJson({ version: FEATURES_VERSION, features: FEATURES.map((feature) => ({ ...feature })) }),
);

/** What is stored of a payment's parties; `undefined` where nothing is yet, and for the device also when there is none. */
export interface FeatureState {
  readonly payer: PayerProfile | undefined;
  readonly payee: PayeeProfile | undefined;
  readonly device: DeviceProfile | undefined;
}

/** The features of a payment, from what was known before it. Every value is finite. Pure; `FEATURES` tells the order. */
export function vector(state: FeatureState, seen: Seen): Float64Array {
  const payer = state.payer ?? UNKNOWN_PAYER;
  const payee = state.payee ?? UNKNOWN_PAYEE;
  const device = seen.device === 0 ? UNKNOWN_DEVICE : (state.device ?? UNKNOWN_DEVICE);
  const scene = {
    seen,
    payer,
    payee,
    device,
    pair: findPair(payer.pairs, seen.payee),
    payerAt: Math.max(seen.at, payer.mark),
    payeeAt: Math.max(seen.at, payee.mark),
    deviceAt: Math.max(seen.at, device.mark),
  };
  const out = new Float64Array(FEATURES.length);
  let i = 0;
  for (const group of groups) i = group.write(out, i, scene);
  invariant(i === FEATURES.length, "features: a group writes as many values as it declares");
  return out;
}

/** The state after a payment. Parts with nothing new to store are the very same objects. */
export function observe(state: FeatureState, seen: Seen, outcome: Outcome): FeatureState {
  return {
    payer: observePayer(state.payer ?? UNKNOWN_PAYER, seen, outcome),
    payee: observePayee(state.payee ?? UNKNOWN_PAYEE, seen, outcome),
    device: seen.device === 0 ? state.device : observeDevice(state.device ?? UNKNOWN_DEVICE, seen),
  };
}

/**
 * The state after one of its payments was confirmed as fraud: of payer, payee and, where the label names one, device.
 * `label.at`: when that became known, in ms.
 */
export function observeFraud(state: FeatureState, label: Pick<FraudLabel, "at" | "device">): FeatureState {
  const at = readTime(label.at);
  return {
    payer: labelPayer(state.payer ?? UNKNOWN_PAYER, at),
    payee: labelPayee(state.payee ?? UNKNOWN_PAYEE, at),
    device: optionalKey(label.device) === 0 ? state.device : labelDevice(state.device ?? UNKNOWN_DEVICE, at),
  };
}
