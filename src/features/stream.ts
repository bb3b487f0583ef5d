import type { DeviceProfile } from "./device-profile.ts";
import { optionalKey } from "./keys.ts";
import type { PayeeProfile } from "./payee-profile.ts";
import type { PayerProfile } from "./payer-profile.ts";
import { type FeaturePayment, type FraudLabel, type Outcome, readPayment } from "./payment.ts";
import { type FeatureState, observe, observeFraud, vector } from "./vector.ts";

/** The features over a whole history, for training and measurement: the same functions a decision uses, with the profiles in memory. */
export interface FeatureStream {
  /** The features of the next payment, then learns it. */
  next(payment: FeaturePayment, outcome?: Outcome): Float64Array;
  /** Learns that a past payment was fraud. Labels come in at their time of arrival, between the payments. */
  label(label: FraudLabel): void;
  /** What is known of these parties by now. */
  state(parties: Pick<FeaturePayment, "payer" | "payee" | "device">): FeatureState;
}

/** A stream that knows nothing yet. It keeps one profile for every payer, payee and device it is shown. */
export function createFeatureStream(): FeatureStream {
  const payers = new Map<string, PayerProfile>();
  const payees = new Map<string, PayeeProfile>();
  const devices = new Map<string, DeviceProfile>();

  const stateOf = ({ payer, payee, device }: Pick<FeaturePayment, "payer" | "payee" | "device">): FeatureState => ({
    payer: payers.get(payer),
    payee: payees.get(payee),
    device: device === undefined ? undefined : devices.get(device),
  });
  const keep = ({ payer, payee, device }: Pick<FeaturePayment, "payer" | "payee" | "device">, state: FeatureState): void => {
    if (state.payer !== undefined) payers.set(payer, state.payer);
    if (state.payee !== undefined) payees.set(payee, state.payee);
    if (device !== undefined && state.device !== undefined && optionalKey(device) !== 0) devices.set(device, state.device);
  };

  return {
    next(payment, outcome = "posted") {
      const seen = readPayment(payment);
      const state = stateOf(payment);
      const values = vector(state, seen);
      keep(payment, observe(state, seen, outcome));
      return values;
    },
    label(label) {
      keep(label, observeFraud(stateOf(label), label));
    },
    state: stateOf,
  };
}
