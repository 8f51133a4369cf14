/** Times in certificates (RFC 5280 §4.1.2.5): UTCTime until 2049, GeneralizedTime after; seconds since the epoch here. */
import { DerError, derTag, type DerValue, expectTag } from "./der-reader.ts";
import { derValue } from "./der-writer.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("latin1");

/** Writes a time of whole seconds since the epoch. */
export function derTime(seconds: number): Uint8Array {
  const { year, month, day, rest } = civilFromSeconds(seconds);
  const digits = [month, day, Math.floor(rest / 3600), Math.floor(rest / 60) % 60, rest % 60];
  const tail = `${digits.map((number) => String(number).padStart(2, "0")).join("")}Z`;
  if (year >= 1950 && year < 2050) {
    return derValue(derTag.utcTime, encoder.encode(String(year % 100).padStart(2, "0") + tail));
  }
  return derValue(derTag.generalizedTime, encoder.encode(String(year).padStart(4, "0") + tail));
}

const restOfTime = "(0[1-9]|1[0-2])(0[1-9]|[12]\\d|3[01])([01]\\d|2[0-3])([0-5]\\d)([0-5]\\d)Z$";
const utcForm = new RegExp(`^(\\d{2})${restOfTime}`);
const generalizedForm = new RegExp(`^(\\d{4})${restOfTime}`);

/** Reads a time. @throws DerError */
export function readTime(value: DerValue | undefined): number {
  const isShort = value?.tag === derTag.utcTime;
  if (!isShort) expectTag(value, derTag.generalizedTime);
  const match = (isShort ? utcForm : generalizedForm).exec(decoder.decode(value?.content));
  if (match === null) throw new DerError("a time that is not one as YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ");
  const part = (index: number): number => Number(match[index]);
  const year = isShort ? fullYear(part(1)) : part(1);
  return daysFromCivil(year, part(2), part(3)) * 86_400 + part(4) * 3600 + part(5) * 60 + part(6);
}

/** Two digits mean 1950 to 2049 (RFC 5280 §4.1.2.5.1). */
function fullYear(twoDigits: number): number {
  return twoDigits >= 50 ? 1900 + twoDigits : 2000 + twoDigits;
}

/** Days since the epoch of a date of the Gregorian calendar, counted in years that start in March. */
function daysFromCivil(year: number, month: number, day: number): number {
  const marchYear = month <= 2 ? year - 1 : year;
  const era = Math.floor(marchYear / 400);
  const yearOfEra = marchYear - era * 400;
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

function civilFromSeconds(seconds: number): { year: number; month: number; day: number; rest: number } {
  const days = Math.floor(seconds / 86_400);
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1,
    rest: Math.floor(seconds - days * 86_400),
  };
}
