// Numbers, times and names as people read them.

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat(undefined, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const share = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 0, roundingMode: "floor" });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const minute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const date = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" });

/** Large sums arrive as strings of digits: they are shown exactly. */
export const integer = value => whole.format(typeof value === "string" ? BigInt(value) : value ?? 0);
export const rate = value => (!value || value >= 100 ? whole : tenth).format(value);
export const percent = value => share.format(Number.isFinite(value) ? value : 0);
export const plural = (count, name) => `${integer(count)} ${name}${String(count) === "1" ? "" : "s"}`;
export const timeOfDay = text => clock.format(new Date(text));
/** To the minute; `dateTime` is exact to the second. */
export const dateMinute = text => minute.format(new Date(text));
export const dateTime = text => moment.format(new Date(text));
export const day = text => date.format(new Date(text));
export const dayRange = (from, to) => date.formatRange(new Date(from), new Date(to));
export const status = name => { const words = name.replaceAll("_", " "); return words[0].toUpperCase() + words.slice(1); };
/** The end of an id: UUIDs of version 7 begin with the time, those of a minute with the same digits. */
export const shortId = id => id.slice(-8);

const UUID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i;
/** Whether a text can be the id of an order. */
export const isOrderId = text => UUID.test(text);

/** A duration in the unit that fits. */
export function duration(millis) {
  if (millis < 1_000) return [whole.format(millis), "ms"];
  if (millis < 120_000) return [tenth.format(millis / 1_000), "s"];
  return [tenth.format(millis / 60_000), "min"];
}

/** `PaymentProcessed` of `waybill.PaymentProcessed`, as words. */
export function eventName(type) {
  const words = type.slice(type.lastIndexOf(".") + 1).replaceAll(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
  return words[0].toUpperCase() + words.slice(1);
}
