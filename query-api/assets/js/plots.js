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

function options(Plot, series, select, format, incrs, width) {
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize), font = `${Math.round(rem * 0.86)}px Inter, system-ui`;
  const axis = { stroke: colour("--muted"), font, grid: { show: false }, ticks: { show: false } };
  const dragged = plot => {
    const { left, width: wide } = plot.select, [from, to] = [left, left + wide].map(place => plot.posToVal(place, "x"));
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    select(from, to);
  };
  const days = (plot, splits, index, space, step) => splits.map(split => (step >= LONG ? month : shortDay).format(split * 1_000));
  return {
    width, height: Math.round(PLOT_HEIGHT * rem / 14), tzDate: ts => Plot.tzDate(new Date(ts * 1_000), "UTC"), padding: [8, 1.6 * rem, 0, 0],
    cursor: { sync: { key: "days" }, drag: { x: true, y: false, setScale: false }, points: { size: 8 }, bind: { dblclick: () => () => select(-Infinity, Infinity) } },
    scales: { x: { time: true }, y: { range: (plot, min, max) => [Math.min(0, min), max > 0 ? max * 1.08 : 1] } },
    axes: [{ ...axis, space: 5.5 * rem, values: days, size: 2.4 * rem, incrs: [1, 2, 7, 14, 28, 61, 91, 182, 365].map(count => count * DAY) },
      { ...axis, grid: { stroke: colour("--line"), width: 1 }, size: 4.2 * rem, incrs, values: (plot, splits) => splits.map(format) }],
    series: [{ label: "Day", value: (plot, value) => value === null ? "–" : day(value * 1_000) }, ...series],
    hooks: { setSelect: [dragged] },
  };
}

/** How many days a key leads on. */
const KEYS = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1, PageDown: -7, PageUp: 7, Home: -Infinity, End: Infinity };
/** The keys that scroll no page: after a click on a plot the others do what they do elsewhere. */
const SIDEWAYS = new Set(["ArrowLeft", "ArrowRight"]);

/** Makes a plot a slider, for those who see no line or can't point at it: `move` leads as many days on, `show` points at one. */
function slider(place, move, show, leave, signal) {
  let isClicked = false;
  place.addEventListener("mousedown", () => { isClicked = true; }, { signal });
  place.addEventListener("keydown", event => {
    if (!(event.key in KEYS) || event.altKey || event.ctrlKey || event.metaKey || (isClicked && !SIDEWAYS.has(event.key))) return;
    event.preventDefault();
    move(KEYS[event.key]);
    show();
  }, { signal });
  place.addEventListener("focus", () => place.matches(":focus-visible") && show(), { signal });
  place.addEventListener("blur", () => { isClicked = false; leave(); }, { signal });
  place.setAttribute("role", "slider");
  place.tabIndex = 0;
}

/** The two plots: their names, what they say of a day, and how they look. */
function kinds(Plot, currency) {
  const accent = colour("--accent"), sum = one => money(one?.revenue[currency] ?? 0, currency), none = "–";
  return [{
    name: "Orders per day", say: one => plural(one.orders, "order"), value: one => Number(one.orders), format: integer, incrs: WHOLE,
    series: () => ({ label: "Orders", stroke: accent, fill: accent, paths: Plot.paths.bars({ size: [0.7, 40] }), points: { show: false }, value: (plot, value) => value === null ? none : integer(value) }),
  }, {
    name: `Revenue per day, ${currency}`, say: sum, value: one => Number(decimal(one.revenue[currency] ?? 0, currency)), format: value => compact(value, currency), incrs: undefined,
    series: day => ({ label: currency, stroke: accent, fill: `${accent}1f`, width: 2, points: { show: plot => plot.data[0].length < 3 }, value: (plot, value, series, index) => index === null || value === null ? none : sum(day(index)) }),
  }];
}

/**
 * Orders, and revenue in one currency, of each day. Both plots show the same days, and stand at the same one; `chosen` is that
 * day, in seconds, unless it is the last. `select` is told what is dragged over, and of a double click, which asks for all.
 */
export function plots(Plot, currency, places, chosen, select) {
  const ended = new AbortController();
  let days = [], x = [], first = 0, last = 0;
  const within = index => Math.max(first, Math.min(last, index));
  const at = () => { const index = x.indexOf(chosen); return within(index < 0 ? last : index); };
  const made = kinds(Plot, currency).map((kind, i) => {
    places[i].replaceChildren();
    const series = [kind.series(index => days[index])];
    return { ...kind, place: places[i], plot: new Plot(options(Plot, series, select, kind.format, kind.incrs, places[i].clientWidth || 600), [[], []], places[i]) };
  });
  function tell() {
    const index = at(), range = dayRange(x[first] * 1_000, x[last] * 1_000);
    for (const { place, name, say } of made) {
      const told = { label: `${name}, ${range}`, valuemin: first, valuemax: last, valuenow: index, valuetext: `${day(x[index] * 1_000)}: ${say(days[index])}` };
      for (const [attribute, value] of Object.entries(told)) place.setAttribute(`aria-${attribute}`, value);
    }
  }
  // The line at the day, and its figures below the plots.
  const point = plot => plot.setCursor({ left: plot.valToPos(x[at()], "x"), top: plot.over.clientHeight / 2 }, true, true);
  const pointAgain = ({ plot, place }) => place.matches(":focus-visible") ? point(plot) : plot.cursor.left >= 0 && plot.setCursor({ left: plot.cursor.left, top: plot.cursor.top });
  for (const { plot, place } of made) {
    const move = by => { chosen = x[within((plot.cursor.idx ?? at()) + by)]; tell(); };
    slider(place, move, () => point(plot), () => plot.setCursor({ left: -10, top: -10 }, true, true), ended.signal);
  }
  return {
    /** Shows days, from one index to another. Bars stand on the middle of their day. */
    show(all, from, to) {
      [days, first, last] = [all, from, to];
      x = days.map(one => seconds(one.date));
      for (const { plot, value } of made) {
        plot.setData([x, days.map(value)], false);
        plot.setScale("x", { min: x[first] - DAY / 2, max: x[last] + DAY / 2 });
      }
      tell();
      queueMicrotask(() => ended.signal.aborted || made.forEach(pointAgain)); // The library draws in a microtask of its own.
    },
    chosen: () => chosen,
    resize: () => made.forEach(({ plot, place }) => plot.setSize({ width: place.clientWidth, height: plot.height })),
    end: () => { ended.abort(); made.forEach(({ plot }) => plot.destroy()); },
  };
}
