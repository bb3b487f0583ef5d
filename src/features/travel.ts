/** Where a payer was, in ten-thousandths of a degree (about 11 m), and when (ms). */
export interface Place {
  readonly latitudeE4: number;
  readonly longitudeE4: number;
  readonly at: number;
}

const EARTH_RADIUS_KM = 6371;
const RADIANS = Math.PI / 180;
const MS_PER_HOUR = 3_600_000;
/** Two readings of one place may differ by this much (network positioning), at whatever speed. */
const TOLERANCE_KM = 50;
/** Faster than an airliner, door to door. */
export const IMPOSSIBLE_KMH = 900;
/** Once around the world in an hour; anything faster counts as this. */
const KMH_MAX = 40_000;

/** Great-circle distance in kilometres (haversine), of points in degrees. */
export function distanceKm(latitudeA: number, longitudeA: number, latitudeB: number, longitudeB: number): number {
  const sinLatitude = Math.sin(((latitudeB - latitudeA) * RADIANS) / 2);
  const sinLongitude = Math.sin(((longitudeB - longitudeA) * RADIANS) / 2);
  const h = sinLatitude * sinLatitude + Math.cos(latitudeA * RADIANS) * Math.cos(latitudeB * RADIANS) * sinLongitude * sinLongitude;
  // Rounding may take h a hair above 1 for antipodes.
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.sqrt(Math.min(h, 1)));
}

/** Kilometres from `place`. */
export function kmFrom(place: Place, latitude: number, longitude: number): number {
  return distanceKm(place.latitudeE4 / 10_000, place.longitudeE4 / 10_000, latitude, longitude);
}

/** The speed of a journey of `km` since `place`; 0 within the tolerance. Time that runs backwards counts as none. */
export function speedKmh(place: Place, km: number, at: number): number {
  if (km <= TOLERANCE_KM) return 0;
  return Math.min((km * MS_PER_HOUR) / Math.max(at - place.at, 1), KMH_MAX);
}

/** The place of a payment. Adding 0 turns a negative zero, which JSON does not carry, into zero. */
export function placeOf(latitude: number, longitude: number, at: number): Place {
  return { latitudeE4: Math.round(latitude * 10_000) + 0, longitudeE4: Math.round(longitude * 10_000) + 0, at };
}
