/** Times in words. No DOM. */

import { counted } from "./ledger.js";

const MINUTE_S = 60;
const HOUR_S = 3_600;
const DAY_MS = 86_400_000;

/** When something was, as short as it can be said: "14:02", "yesterday", "12 Nov", "12 Nov 2024". */
export function whenWord(time, now = new Date()) {
  const date = new Date(time);
  const days = daysBetween(date, now);
  if (days === 0) return clock(date);
  if (days === 1) return "yesterday";
  const year = date.getFullYear() === now.getFullYear() ? {} : { year: "numeric" };
  return date.toLocaleDateString([], { day: "numeric", month: "short", ...year });
}

/** The day and the time of day: "14:02", "yesterday, 14:02", "12 Nov, 14:02". */
export function momentWord(time, now = new Date()) {
  const word = whenWord(time, now);
  return daysBetween(new Date(time), now) === 0 ? word : `${word}, ${clock(new Date(time))}`;
}

/** When something will be: "at 14:02", "tomorrow at 14:02", "on 12 Nov, 14:02". */
export function untilWord(time, now = new Date()) {
  const date = new Date(time);
  const days = daysBetween(now, date);
  if (days <= 0) return `at ${clock(date)}`;
  if (days === 1) return `tomorrow at ${clock(date)}`;
  return `on ${momentWord(date, now)}`;
}

/** A span of time: "40 seconds", "12 minutes", "5 hours", "3 days". */
export function spanWord(seconds) {
  if (seconds < 2 * MINUTE_S) return counted(Math.ceil(seconds), "second");
  if (seconds < 2 * HOUR_S) return counted(Math.ceil(seconds / MINUTE_S), "minute");
  if (seconds < 48 * HOUR_S) return counted(Math.ceil(seconds / HOUR_S), "hour");
  return counted(Math.ceil(seconds / 24 / HOUR_S), "day");
}

function clock(date) {
  return date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

/** How many midnights are between two times. */
function daysBetween(earlier, later) {
  const midnight = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
  // A day may have 23 or 25 hours.
  return Math.round((midnight(later) - midnight(earlier)) / DAY_MS);
}
