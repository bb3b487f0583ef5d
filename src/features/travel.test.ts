import assert from "node:assert/strict";
import { test } from "node:test";
import { distanceKm, kmFrom, placeOf, speedKmh } from "./travel.ts";

test("distances are those of the globe", () => {
  // Berlin to Paris, and half of the equator.
  assert.ok(Math.abs(distanceKm(52.52, 13.405, 48.8566, 2.3522) - 877.5) < 1);
  assert.ok(Math.abs(distanceKm(0, 0, 0, 180) - Math.PI * 6371) < 1e-6);
  assert.equal(distanceKm(10, 20, 10, 20), 0);
  assert.ok(distanceKm(0, 179.9, 0, -179.9) < 23, "across the date line");
});

test("a journey has a speed, unless two readings may be of one place", () => {
  const berlin = placeOf(52.52, 13.405, 0);
  const km = kmFrom(berlin, 48.8566, 2.3522);
  assert.ok(Math.abs(speedKmh(berlin, km, 3_600_000) - km) < 1e-6);
  assert.equal(speedKmh(berlin, 49, 1), 0);
  assert.equal(speedKmh(berlin, km, 0), 40_000);
  assert.equal(speedKmh(berlin, km, -5), 40_000);
});

test("a place carries no negative zero", () => assert.ok(Object.is(placeOf(-0.00001, -0, 1).latitudeE4, 0)));
