import { location as config } from "./factors-config.ts";

/** Where a customer was, in ten-thousandths of a degree (about 11 m), and when (ms). */
export interface LastLocation {
  readonly latitudeE4: number;
  readonly longitudeE4: number;
  readonly at: number;
}

const EARTH_RADIUS_KM = 6371;
const RADIANS = Math.PI / 180;
const MS_PER_HOUR = 3_600_000;

/** Great-circle distance in kilometres (haversine), of points in degrees. */
export function distanceKm(latitudeA: number, longitudeA: number, latitudeB: number, longitudeB: number): number {
  const sinLatitude = Math.sin(((latitudeB - latitudeA) * RADIANS) / 2);
  const sinLongitude = Math.sin(((longitudeB - longitudeA) * RADIANS) / 2);
  const h = sinLatitude * sinLatitude + Math.cos(latitudeA * RADIANS) * Math.cos(latitudeB * RADIANS) * sinLongitude * sinLongitude;
  // Rounding may take h a hair above 1 for antipodes.
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.sqrt(Math.min(h, 1)));
}

/** Whether nobody can have come from `last` to the given point by `at`. Time that runs backwards counts as none. */
export function isImpossibleTravel(last: LastLocation, latitude: number, longitude: number, at: number): boolean {
  const km = distanceKm(last.latitudeE4 / 10_000, last.longitudeE4 / 10_000, latitude, longitude);
  if (km <= config.toleranceKm) return false;
  return km * MS_PER_HOUR > config.maxSpeedKmh * Math.max(at - last.at, 0);
}
