import { type DeviceProfile, decodeDevice, encodeDevice } from "#features/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import type { Collection } from "#storage/index.ts";
import { deviceKey, type RiskContext } from "./context.ts";

/** What is remembered of one device of an organisation's customers, whoever uses it. Devices are known by a hash only. */
export interface RiskDevice {
  /** `<organisation>#<hash>`. */
  readonly id: string;
  readonly organisationId: OrganisationId;
  readonly features: DeviceProfile;
  readonly version: number;
}

const RADIX = 36;
const DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz";
const PAIRS: readonly string[] = Array.from(
  { length: RADIX ** 2 },
  (_, n) => (DIGITS[Math.floor(n / RADIX)] ?? "") + (DIGITS[n % RADIX] ?? ""),
);

/** `value.toString(36)` of a whole number of at most 53 bits, two digits at a time: V8 divides digit by digit, in floats, at ten times the cost. */
export function toBase36(value: number): string {
  let text = "";
  let rest = value;
  while (rest >= RADIX ** 2) {
    const upper = Math.floor(rest / RADIX ** 2);
    text = (PAIRS[rest - upper * RADIX ** 2] ?? "") + text;
    rest = upper;
  }
  return (rest < RADIX ? (DIGITS[rest] ?? "") : (PAIRS[rest] ?? "")) + text;
}

/** Where the device of this hash is kept; `undefined` for 0, which stands for no device. */
export function deviceIdOf(organisationId: OrganisationId, device: number): string | undefined {
  return device === 0 ? undefined : `${organisationId}#${toBase36(device)}`;
}

/** Where the device of a context is kept; `undefined` when it names none. */
export function deviceIdIn(organisationId: OrganisationId, context: RiskContext): string | undefined {
  return context.device_id === undefined ? undefined : deviceIdOf(organisationId, deviceKey(context));
}

export const riskDevices: Collection<RiskDevice> = {
  table: "smartfinance-risk-devices",
  keyOf: ({ id }) => ({ hash: id }),
  toItem: ({ id, organisationId, features, version }) => ({
    id,
    organisation_id: organisationId,
    features: encodeDevice(features),
    version,
  }),
  fromItem(item) {
    invariant(typeof item.id === "string" && typeof item.features === "string", "risk: a stored device is malformed");
    return {
      id: item.id,
      organisationId: item.organisation_id as OrganisationId,
      features: decodeDevice(item.features),
      version: Number(item.version),
    };
  },
};
