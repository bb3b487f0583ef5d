import { invariant } from "#kernel/assert.ts";
import { begin, finish, Reader, writeKey, writeNumber } from "./compact.ts";
import type { DeviceProfile } from "./device-profile.ts";
import type { Pair } from "./pair.ts";
import {
  readAmounts,
  readBuckets,
  readDistinct,
  readKnown,
  readMark,
  readTimeBefore,
  writeAmounts,
  writeBuckets,
  writeDistinct,
  writeKnown,
  writeTime,
} from "./parts-codec.ts";
import type { PayeeProfile } from "./payee-profile.ts";
import type { PayerProfile } from "./payer-profile.ts";
import { AMOUNT_MAX } from "./payment.ts";
import { dayTier, distinctEpochs, pairTiers, payeeTiers, payerTiers, remembered } from "./tiers.ts";
import type { Place } from "./travel.ts";

/** Stands first in every text; another form gets another number. */
const FORM = 1;

const LATITUDE_E4 = 900_000;
const LONGITUDE_E4 = 1_800_000;

function open(text: string): Reader {
  const reader = new Reader(text);
  invariant(reader.number(31) === FORM, "features: a stored profile has another form");
  return reader;
}

const minuteOf = (at: number): number => Math.floor(at / 60_000);

/** A payer's profile as text that JSON carries unchanged. Equal profiles give equal texts. */
export function encodePayer(profile: PayerProfile): string {
  const { mark, place } = profile;
  const minute = minuteOf(mark);
  begin();
  writeNumber(FORM);
  writeNumber(mark);
  writeTime(profile.paidAt, mark);
  writeTime(profile.firstAt, mark);
  writeBuckets(profile.minutes, payerTiers.minutes, mark, true);
  writeBuckets(profile.short, payerTiers.short, mark, true);
  writeBuckets(profile.hours, payerTiers.hours, mark, true);
  writeBuckets(profile.days, payerTiers.days, mark, true);
  writeBuckets(profile.outliers, dayTier, mark, false);
  writeBuckets(profile.frauds, dayTier, mark, false);
  writeAmounts(profile.amounts);
  writeNumber(profile.max);
  writeKnown(profile.devices, minute);
  writeKnown(profile.networks, minute);
  writeKnown(profile.countries, minute);
  writePlace(place, mark);
  writeNumber(profile.pairs.length);
  for (const pair of profile.pairs) writePair(pair, mark, minute);
  return finish();
}

/** @throws InvariantError when the text is not one `encodePayer` made. */
export function decodePayer(text: string): PayerProfile {
  const reader = open(text);
  const mark = readMark(reader);
  const minute = minuteOf(mark);
  const profile: PayerProfile = {
    mark,
    paidAt: readTimeBefore(reader, mark),
    firstAt: readTimeBefore(reader, mark),
    minutes: readBuckets(reader, payerTiers.minutes, mark, true),
    short: readBuckets(reader, payerTiers.short, mark, true),
    hours: readBuckets(reader, payerTiers.hours, mark, true),
    days: readBuckets(reader, payerTiers.days, mark, true),
    outliers: readBuckets(reader, dayTier, mark, false),
    frauds: readBuckets(reader, dayTier, mark, false),
    amounts: readAmounts(reader),
    max: reader.number(AMOUNT_MAX),
    devices: readKnown(reader, minute, remembered.devices),
    networks: readKnown(reader, minute, remembered.networks),
    countries: readKnown(reader, minute, remembered.countries),
    place: readPlace(reader, mark),
    pairs: readPairs(reader, mark, minute),
  };
  reader.end();
  return profile;
}

function writePlace(place: Place | undefined, mark: number): void {
  if (place === undefined) {
    writeNumber(0);
    return;
  }
  writeTime(place.at, mark);
  writeNumber(place.latitudeE4 + LATITUDE_E4);
  writeNumber(place.longitudeE4 + LONGITUDE_E4);
}

function readPlace(reader: Reader, mark: number): Place | undefined {
  const at = readTimeBefore(reader, mark);
  if (at === 0) return undefined;
  return { latitudeE4: reader.number(2 * LATITUDE_E4) - LATITUDE_E4, longitudeE4: reader.number(2 * LONGITUDE_E4) - LONGITUDE_E4, at };
}

function writePair(pair: Pair, mark: number, minute: number): void {
  writeKey(pair.key);
  writeNumber(minute - pair.last);
  writeTime(pair.since, pair.last);
  writeBuckets(pair.short, pairTiers.short, mark, true);
  writeBuckets(pair.hours, pairTiers.hours, mark, true);
  writeBuckets(pair.weeks, pairTiers.weeks, mark, true);
}

function readPairs(reader: Reader, mark: number, minute: number): readonly Pair[] {
  const count = reader.number(remembered.pairs);
  const pairs: Pair[] = [];
  for (let i = 0; i < count; i++) {
    const key = reader.key();
    const last = minute - reader.number(minute);
    pairs.push({
      key,
      since: readTimeBefore(reader, last),
      last,
      short: readBuckets(reader, pairTiers.short, mark, true),
      hours: readBuckets(reader, pairTiers.hours, mark, true),
      weeks: readBuckets(reader, pairTiers.weeks, mark, true),
    });
  }
  return pairs;
}

/** A payee's profile as text that JSON carries unchanged. Equal profiles give equal texts. */
export function encodePayee(profile: PayeeProfile): string {
  const { mark } = profile;
  begin();
  writeNumber(FORM);
  writeNumber(mark);
  writeTime(profile.paidAt, mark);
  writeTime(profile.firstAt, mark);
  writeBuckets(profile.short, payeeTiers.short, mark, true);
  writeBuckets(profile.hours, payeeTiers.hours, mark, true);
  writeBuckets(profile.days, payeeTiers.days, mark, true);
  writeDistinct(profile.payersDay, distinctEpochs.day, mark);
  writeDistinct(profile.payersMonth, distinctEpochs.month, mark);
  writeBuckets(profile.frauds, dayTier, mark, false);
  return finish();
}

/** @throws InvariantError when the text is not one `encodePayee` made. */
export function decodePayee(text: string): PayeeProfile {
  const reader = open(text);
  const mark = readMark(reader);
  const profile: PayeeProfile = {
    mark,
    paidAt: readTimeBefore(reader, mark),
    firstAt: readTimeBefore(reader, mark),
    short: readBuckets(reader, payeeTiers.short, mark, true),
    hours: readBuckets(reader, payeeTiers.hours, mark, true),
    days: readBuckets(reader, payeeTiers.days, mark, true),
    payersDay: readDistinct(reader, distinctEpochs.day, mark),
    payersMonth: readDistinct(reader, distinctEpochs.month, mark),
    frauds: readBuckets(reader, dayTier, mark, false),
  };
  reader.end();
  return profile;
}

/** A device's profile as text that JSON carries unchanged. Equal profiles give equal texts. */
export function encodeDevice(profile: DeviceProfile): string {
  const { mark, users } = profile;
  begin();
  writeNumber(FORM);
  writeNumber(mark);
  writeTime(profile.firstAt, mark);
  writeNumber(users.length);
  for (const user of users) writeKey(user);
  writeBuckets(profile.frauds, dayTier, mark, false);
  return finish();
}

/** @throws InvariantError when the text is not one `encodeDevice` made. */
export function decodeDevice(text: string): DeviceProfile {
  const reader = open(text);
  const mark = readMark(reader);
  const firstAt = readTimeBefore(reader, mark);
  const count = reader.number(remembered.users);
  const users: number[] = [];
  for (let i = 0; i < count; i++) {
    const user = reader.key();
    invariant(i === 0 || user > (users[i - 1] ?? 0), "features: stored users are out of order");
    users.push(user);
  }
  const profile = { mark, firstAt, users, frauds: readBuckets(reader, dayTier, mark, false) };
  reader.end();
  return profile;
}
