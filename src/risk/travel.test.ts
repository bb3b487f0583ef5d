import assert from "node:assert/strict";
import { test } from "node:test";
import { distanceKm, isImpossibleTravel } from "./travel.ts";

const HOUR = 3_600_000;

// Great-circle distances on a sphere of 6,371 km; a degree is 111.195 km.
const distances: readonly (readonly [string, number, number, number, number, number])[] = [
  ["the same point", 52.52, 13.405, 52.52, 13.405, 0],
  ["one degree of latitude", 0, 0, 1, 0, 111.195],
  ["one degree of longitude at 60 degrees north", 60, 0, 60, 1, 55.595],
  ["across the date line", 0, 179.5, 0, -179.5, 111.195],
  ["antipodes", 10, 20, -10, -160, Math.PI * 6371],
  ["pole to pole", 90, 0, -90, 77, Math.PI * 6371],
  ["Berlin to London", 52.52, 13.405, 51.5074, -0.1278, 931.6],
];
for (const [name, a, b, c, d, expected] of distances) {
  test(`distance: ${name}`, () => {
    assert.ok(Math.abs(distanceKm(a, b, c, d) - expected) < 1, `${distanceKm(a, b, c, d)}`);
    assert.equal(distanceKm(a, b, c, d).toFixed(6), distanceKm(c, d, a, b).toFixed(6));
  });
}

test("travel: 900 km/h is the limit, 50 km are free", () => {
  const origin = { latitudeE4: 0, longitudeE4: 0, at: 100 * HOUR };
  const ninetyDegrees = 10_007.5;
  assert.equal(isImpossibleTravel(origin, 0, 90, origin.at + (ninetyDegrees / 900 - 0.01) * HOUR), true);
  assert.equal(isImpossibleTravel(origin, 0, 90, origin.at + (ninetyDegrees / 900 + 0.01) * HOUR), false);
  assert.equal(isImpossibleTravel(origin, 0, 0.44, origin.at), false);
  assert.equal(isImpossibleTravel(origin, 0, 0.46, origin.at), true);
  assert.equal(isImpossibleTravel(origin, 0, 90, origin.at - 50 * HOUR), true, "time that runs back gives no time to travel");
});
