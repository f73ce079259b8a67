// Orders and revenue per day; best sellers; biggest customers.

import { query, withQuery } from "./api.js";
import { h, panel, text, throttle } from "./dom.js";
import { day, integer } from "./format.js";
import { follow } from "./live.js";
import { byCurrency, decimal, money } from "./money.js";
import { bar, customerLink } from "./shapes.js";

const BEST = 10;
const PAGE = 1_000;
/** How often rankings are read again while orders change. */
const RANK_MILLIS = 5_000;
const PLOT_HEIGHT = 250;

/** The plotting library comes with the first plot. It is a plain script, and no module. */
let library;
function uPlot() {
  library ??= new Promise((resolve, reject) => {
    document.head.append(h("link", { rel: "stylesheet", href: "/assets/vendor/uPlot.min.css" }));
    const script = h("script", { src: "/assets/vendor/uPlot.iife.min.js" });
    script.addEventListener("load", () => resolve(globalThis.uPlot));
    script.addEventListener("error", () => { library = undefined; reject(new Error("the plotting library can't be loaded")); });
    document.head.append(script);
  });
  return library;
}

async function allDays(signal) {
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

const seconds = date => Date.parse(`${date}T00:00:00Z`) / 1_000;
const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
/** Steps of an axis of whole numbers. */
const WHOLE = Array.from({ length: 10 }, (_, i) => [1, 2, 5].map(step => step * 10 ** i)).flat();
const LINES = ["--accent", "--s-shipped", "--good", "--warn", "--bad"];

function options(Plot, series, chosen, format, incrs, width) {
  const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") }, font: "12px system-ui" };
  return {
    width, height: PLOT_HEIGHT, tzDate: ts => Plot.tzDate(new Date(ts * 1_000), "UTC"),
    cursor: { sync: { key: "days" }, drag: { x: true, y: false, setScale: true } },
    scales: { x: { time: true }, y: { range: (plot, min, max) => [Math.min(0, min), max > 0 ? max * 1.08 : 1] } },
    axes: [axis, { ...axis, size: 70, incrs, values: (plot, splits) => splits.map(format) }],
    series: [{ value: (plot, value) => value === null ? "–" : day(value * 1_000) }, ...series],
    hooks: { setScale: [(plot, key) => key === "x" && chosen(plot.scales.x.min, plot.scales.x.max)] },
  };
}

/** Totals of the days from `from` to `to`, in seconds. */
function totals(days, from, to) {
  const within = days.filter(one => seconds(one.date) >= from && seconds(one.date) <= to);
  const revenue = {};
  for (const one of within) for (const [currency, sum] of Object.entries(one.revenue)) revenue[currency] = (revenue[currency] ?? 0n) + BigInt(sum);
  const orders = within.reduce((sum, one) => sum + Number(one.orders), 0);
  const sums = byCurrency(revenue).map(([currency, sum]) => money(sum, currency));
  if (!within.length) return "No days in this range.";
  return `${day(within[0].date)} – ${day(within.at(-1).date)}: ${integer(orders)} orders${sums.length ? `, ${sums.join(" + ")}` : ""}`;
}

function plots(Plot, days, places, said) {
  const x = days.map(one => seconds(one.date));
  const currencies = [...new Set(days.flatMap(one => Object.keys(one.revenue)))].sort();
  const made = [];
  let busy = false;
  const chosen = (from, to) => {
    text(said, totals(days, from, to));
    if (busy) return;
    busy = true; // Both plots show the same range.
    made.forEach(plot => plot.setScale("x", { min: from, max: to }));
    busy = false;
  };
  const plain = value => value === null || value === undefined ? "–" : integer(value);
  const bars = Plot.paths.bars({ size: [0.7, 40] });
  const orders = [{ label: "Orders", stroke: colour("--accent"), fill: colour("--accent"), paths: bars, points: { show: false }, value: (plot, value) => plain(value) }];
  const revenue = currencies.map((currency, i) => ({
    label: currency, stroke: colour(LINES[i % LINES.length]), width: 2, points: { show: days.length < 3 },
    value: (plot, value, series, index) => index === null || value === null ? "–" : money(days[index]?.revenue[currency] ?? 0, currency),
  }));
  const numbers = currencies.map(currency => days.map(one => Number(decimal(one.revenue[currency] ?? 0, currency))));
  const compact = new Intl.NumberFormat(undefined, { notation: "compact" });
  for (const [place, series, data, format, incrs] of [
    [places[0], orders, [x, days.map(one => Number(one.orders))], plain, WHOLE],
    [places[1], revenue, [x, ...numbers], value => compact.format(value), undefined],
  ]) {
    place.replaceChildren();
    made.push(new Plot(options(Plot, series, chosen, format, incrs, place.clientWidth || 600), data, place));
  }
  chosen(x[0], x.at(-1));
  return { made, all: () => chosen(x[0], x.at(-1)) };
}

function ranking(rows, head) {
  return h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": head[0] }, h("table", { class: "ranking" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, head[0]), head.slice(1).map(name => h("th", { scope: "col", class: "num" }, name)))),
    h("tbody", {}, rows.length ? rows : h("tr", {}, h("td", { colspan: head.length, class: "empty" }, "Nothing yet.")))));
}

const amounts = sums => byCurrency(sums).map(([currency, sum], i) => h("div", { class: i > 0 && "lesser" }, money(sum, currency)));

async function best(signal) {
  const { items } = await query(`/stats/products?limit=${BEST}`, signal);
  const most = Number(items[0]?.units ?? 1);
  return ranking(items.map(item => h("tr", {}, h("td", { class: "wide" }, item.name ?? item.sku, " ", h("span", { class: "muted mono" }, item.sku), bar(Number(item.units) / most)),
    h("td", { class: "num" }, integer(item.units)), h("td", { class: "num" }, amounts(item.value)))), ["Product", "Units", "Value"]);
}

async function biggest(currency, signal) {
  const { items } = await query(withQuery("/customers", { limit: BEST, currency }), signal);
  const most = Number(items[0]?.lifetime_value[currency] ?? 1) || 1;
  return ranking(items.map(item => h("tr", {}, h("td", { class: "wide" }, customerLink(item.customer_id), bar(Number(item.lifetime_value[currency] ?? 0) / most)),
    h("td", { class: "num" }, integer(item.orders)), h("td", { class: "num" }, amounts(item.lifetime_value)))), ["Customer", "Orders", "Lifetime value"]);
}

export async function history(main, { signal }) {
  const said = h("p", { class: "muted", role: "status" }), whole = h("button", { type: "button" }, "All days");
  const places = [h("div", { class: "plot", id: "orders-per-day" }), h("div", { class: "plot" })], sellers = h("div"), customers = h("div");
  const choice = h("select", { "aria-label": "Currency" });
  main.append(h("div", { class: "heading" }, h("h1", {}, "History"), said, whole), h("div", { class: "grid" },
    panel("Orders per day", "half", h("span", { class: "muted" }, "drag for a range"), places[0]),
    panel("Revenue per day", "half", h("span", { class: "muted" }, "in units of each currency"), places[1]),
    panel("Best sellers", "half", null, sellers), panel("Biggest customers", "half", choice, customers)));
  const [Plot, days, stats] = await Promise.all([uPlot(), allDays(signal), query("/stats", signal)]);
  if (signal.aborted) return;
  const failed = place => error => signal.aborted || place.replaceChildren(h("p", { class: "bad" }, error.message));
  const showCustomers = () => biggest(choice.value, signal).then(made => customers.replaceChildren(made)).catch(failed(customers));
  choice.append(...byCurrency(stats.revenue).map(([currency]) => h("option", {}, currency)));
  choice.addEventListener("change", showCustomers);
  let drawn = null;
  const draw = () => { drawn?.made.forEach(plot => plot.destroy()); drawn = plots(Plot, days, places, said); };
  if (days.length) {
    draw();
    whole.addEventListener("click", () => drawn.all());
    const resized = new ResizeObserver(() => drawn.made.forEach((plot, i) => plot.setSize({ width: places[i].clientWidth, height: PLOT_HEIGHT })));
    resized.observe(places[0]);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", draw, { signal });
    signal.addEventListener("abort", () => { resized.disconnect(); drawn.made.forEach(plot => plot.destroy()); });
  } else {
    text(said, "There are no orders yet.");
    whole.hidden = true;
  }
  const rank = () => Promise.all([best(signal).then(made => sellers.replaceChildren(made)).catch(failed(sellers)), showCustomers()]);
  const rankSoon = throttle(rank, RANK_MILLIS, signal);
  follow({ data: "none" }, { view: rankSoon, refresh: rankSoon }, signal);
  await rank();
}
