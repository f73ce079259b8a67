// Plots of days. The library comes with the first of them.

import { query, withQuery } from "./api.js";
import { h } from "./dom.js";
import { day, dayRange, integer, plural } from "./format.js";
import { compact, decimal, money } from "./money.js";

const PAGE = 1_000;
const PLOT_HEIGHT = 260;

/** uPlot is a plain script, and no module. */
let library;
export function uPlot() {
  library ??= new Promise((resolve, reject) => {
    document.head.append(h("link", { rel: "stylesheet", href: "/assets/vendor/uPlot.min.css" }));
    const script = h("script", { src: "/assets/vendor/uPlot.iife.min.js" });
    script.addEventListener("load", () => resolve(globalThis.uPlot));
    script.addEventListener("error", () => { library = undefined; reject(new Error("the plotting library can't be loaded")); });
    document.head.append(script);
  });
  return library;
}

/** All days from the first order to the last, in their order. */
export async function allDays(signal) {
  const days = [];
  let cursor = null;
  do {
    const page = await query(withQuery("/stats/daily", { limit: PAGE, cursor }), signal);
    days.push(...page.items);
    cursor = page.next;
  } while (cursor);
  return withEmptyDays(days);
}

const DAY_MILLIS = 86_400_000;
/** More days than that are shown as they are. */
const MAX_DAYS = 20_000;

/** Days on which nothing was ordered are left out of the answer; a line must not lead over them. */
function withEmptyDays(days) {
  const known = new Map(days.map(one => [one.date, one]));
  const [first, last] = [days[0], days.at(-1)].map(one => one && Date.parse(one.date));
  if (!days.length || (last - first) / DAY_MILLIS > MAX_DAYS) return days;
  const all = [];
  for (let at = first; at <= last; at += DAY_MILLIS) {
    const date = new Date(at).toISOString().slice(0, 10);
    all.push(known.get(date) ?? { date, orders: 0, units: 0, revenue: {} });
  }
  return all;
}

export const seconds = date => Date.parse(`${date}T00:00:00Z`) / 1_000;
const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
/** Steps of an axis of whole numbers. */
const WHOLE = Array.from({ length: 10 }, (_, i) => [1, 2, 5].map(step => step * 10 ** i)).flat();
const shortDay = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });
const month = new Intl.DateTimeFormat(undefined, { month: "short", year: "numeric", timeZone: "UTC" });
const DAY = 86_400, LONG = 61 * DAY;

function options(Plot, series, chosen, format, incrs, width) {
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize), font = `${Math.round(rem * 0.86)}px Inter, system-ui`;
  const axis = { stroke: colour("--muted"), font, grid: { show: false }, ticks: { show: false } };
  const days = (plot, splits, index, space, step) => splits.map(split => (step >= LONG ? month : shortDay).format(split * 1_000));
  return {
    width, height: Math.round(PLOT_HEIGHT * rem / 14), tzDate: ts => Plot.tzDate(new Date(ts * 1_000), "UTC"), padding: [8, 1.6 * rem, 0, 0],
    cursor: { sync: { key: "days" }, drag: { x: true, y: false, setScale: true }, points: { size: 8 } },
    scales: { x: { time: true }, y: { range: (plot, min, max) => [Math.min(0, min), max > 0 ? max * 1.08 : 1] } },
    axes: [{ ...axis, space: 5.5 * rem, values: days, size: 2.4 * rem, incrs: [1, 2, 7, 14, 28, 61, 91, 182, 365].map(count => count * DAY) },
      { ...axis, grid: { stroke: colour("--line"), width: 1 }, size: 4.2 * rem, incrs, values: (plot, splits) => splits.map(format) }],
    series: [{ label: "Day", value: (plot, value) => value === null ? "–" : day(value * 1_000) }, ...series],
    hooks: { setScale: [(plot, key) => key === "x" && chosen(plot.scales.x.min, plot.scales.x.max)] },
  };
}

/** How many days a key leads on. */
const KEYS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -7, PageUp: 7, Home: -Infinity, End: Infinity };

/**
 * Makes a plot a slider through its days, for those who see no line or can't point at it: `tell` says what there was on a
 * day. What it returns takes the range that is shown.
 */
function slider(plot, place, name, tell, signal) {
  const x = plot.data[0], date = index => x[index] * 1_000;
  let at = x.length - 1, first = 0, last = at;
  function choose(index) {
    at = Math.max(first, Math.min(last, index));
    place.setAttribute("aria-valuenow", at);
    place.setAttribute("aria-valuetext", `${day(date(at))}: ${tell(at)}`);
  }
  // The line at the day, and its figures below the plot.
  const show = () => plot.setCursor({ left: plot.valToPos(x[at], "x"), top: plot.over.clientHeight / 2 }, true, true);
  place.addEventListener("keydown", event => {
    if (!(event.key in KEYS) || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    choose((plot.cursor.idx ?? at) + KEYS[event.key]);
    show();
  }, { signal });
  place.addEventListener("focus", () => place.matches(":focus-visible") && show(), { signal });
  place.addEventListener("blur", () => plot.setCursor({ left: -10, top: -10 }, true, true), { signal });
  place.setAttribute("role", "slider");
  place.tabIndex = 0;
  return (from, to) => {
    first = Math.max(0, x.findIndex(one => one >= from));
    last = Math.max(first, x.findLastIndex(one => one <= to));
    place.setAttribute("aria-label", `${name}, ${dayRange(date(first), date(last))}`);
    place.setAttribute("aria-valuemin", first);
    place.setAttribute("aria-valuemax", last);
    choose(at);
  };
}

/**
 * Orders, and revenue in one currency, of each day. Both plots show the same range, and `chosen` is told which. `select`
 * sets it; it ends at the edges of what there is.
 */
export function plots(Plot, days, currency, places, chosen) {
  const x = days.map(one => seconds(one.date)), made = [], sliders = [], ended = new AbortController();
  let busy = false;
  const both = (from, to) => {
    chosen(from, to);
    sliders.forEach(within => within(from, to));
    if (busy) return;
    busy = true;
    made.forEach(plot => plot.setScale("x", { min: from, max: to }));
    busy = false;
  };
  const bars = Plot.paths.bars({ size: [0.7, 40] }), accent = colour("--accent");
  const sum = index => money(days[index]?.revenue[currency] ?? 0, currency);
  const orders = { label: "Orders", stroke: accent, fill: accent, paths: bars, points: { show: false }, value: (plot, value) => value === null ? "–" : integer(value) };
  const revenue = {
    label: currency, stroke: accent, fill: `${accent}1f`, width: 2, points: { show: days.length < 3 },
    value: (plot, value, series, index) => index === null || value === null ? "–" : sum(index),
  };
  for (const [place, name, tell, series, values, format, incrs] of [
    [places[0], "Orders per day", index => plural(days[index].orders, "order"), orders, days.map(one => Number(one.orders)), integer, WHOLE],
    [places[1], `Revenue per day, ${currency}`, sum, revenue, days.map(one => Number(decimal(one.revenue[currency] ?? 0, currency))), value => compact(value, currency), undefined],
  ]) {
    place.replaceChildren();
    const plot = new Plot(options(Plot, [series], both, format, incrs, place.clientWidth || 600), [x, values], place);
    made.push(plot);
    sliders.push(slider(plot, place, name, tell, ended.signal));
  }
  return {
    // Bars stand on the middle of their day.
    select: (from, to) => both(Math.max(from, x[0]) - DAY / 2, Math.min(to, x.at(-1)) + DAY / 2),
    resize: () => made.forEach((plot, i) => plot.setSize({ width: places[i].clientWidth, height: plot.height })),
    end: () => { ended.abort(); made.forEach(plot => plot.destroy()); },
  };
}
