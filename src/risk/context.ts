import { isIP } from "node:net";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import { shortHash } from "./short-hash.ts";

/** What the organisation tells of the circumstances of a payment. All of it is optional, none of it is proof. */
export interface RiskContext {
  readonly device_id?: string;
  /** Read by features and rules; the five factors do not score it. */
  readonly ip?: string;
  /** Degrees, WGS 84. Latitude and longitude come together or not at all. */
  readonly latitude?: number;
  readonly longitude?: number;
  /** ISO 3166-1 alpha-2. */
  readonly country?: string;
  readonly user_agent?: string;
}

/**
 * Checks what a schema cannot say.
 * @param path where the context stands in the request, for `param`.
 * @returns a refusal `invalid_request`, or `undefined` when the context is sound.
 */
export function checkRiskContext(context: RiskContext, path = "context"): Refusal | undefined {
  if ((context.latitude === undefined) !== (context.longitude === undefined)) {
    const missing = context.latitude === undefined ? "latitude" : "longitude";
    return refuse("invalid_request", `${path}.${missing}`, "Latitude and longitude are given together or not at all.");
  }
  if (context.ip !== undefined && isIP(context.ip) === 0) {
    return refuse("invalid_request", `${path}.ip`, "This is neither an IPv4 nor an IPv6 address.");
  }
  return undefined;
}

/** A context as the factors read it. 0 stands for absent; what is malformed counts as absent, never as good. */
export interface Evidence {
  readonly device: number;
  readonly userAgent: number;
  /** The country, or where there is none the 5° square of the coordinates. */
  readonly place: number;
  readonly located: boolean;
  /** Degrees; 0 unless `located`. */
  readonly latitude: number;
  readonly longitude: number;
}

const REGION_DEGREES = 5;
const REGIONS_PER_ROW = 360 / REGION_DEGREES;
const REGION_ROWS = 180 / REGION_DEGREES;
/** Above every country's number. */
const FIRST_REGION = 0x10000;

/** Two capital letters as one number; 0 when they are not that. */
function countryKey(country: unknown): number {
  if (typeof country !== "string" || country.length !== 2) return 0;
  const a = country.charCodeAt(0);
  const b = country.charCodeAt(1);
  return a >= 0x41 && a <= 0x5a && b >= 0x41 && b <= 0x5a ? (a << 8) | b : 0;
}

function regionKey(latitude: number, longitude: number): number {
  const row = Math.min(Math.floor((latitude + 90) / REGION_DEGREES), REGION_ROWS - 1);
  const column = Math.floor((longitude + 180) / REGION_DEGREES) % REGIONS_PER_ROW;
  return FIRST_REGION + row * REGIONS_PER_ROW + column;
}

const within = (value: unknown, limit: number): value is number => typeof value === "number" && value >= -limit && value <= limit;

/** A text's number; blank or missing texts are absent. */
function textKey(text: unknown, skipDigits: boolean): number {
  return typeof text === "string" && text.length > 0 && text.trim().length > 0 ? shortHash(text, skipDigits) : 0;
}

/** The number a context's device is known by; 0 when it names none. */
export function deviceKey(context: RiskContext): number {
  return textKey(context.device_id, false);
}

/** Reads a context, trusting nothing: also not that a schema has seen it. */
export function readEvidence(context: RiskContext): Evidence {
  const { latitude, longitude } = context;
  const located = within(latitude, 90) && within(longitude, 180);
  const country = countryKey(context.country);
  return {
    device: textKey(context.device_id, false),
    userAgent: textKey(context.user_agent, true),
    place: country === 0 && located ? regionKey(latitude, longitude) : country,
    located,
    latitude: located ? latitude : 0,
    longitude: located ? longitude : 0,
  };
}
