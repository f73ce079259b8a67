// Orders and revenue per day; best sellers; biggest customers.

import { query, withQuery } from "./api.js";
import { h, oneAtATime, panel, replaceKeepingFocus, text, throttle } from "./dom.js";
import { dayRange, integer, rate } from "./format.js";
import { follow } from "./live.js";
import { byCurrency, money } from "./money.js";
import { allDays, plots, seconds, uPlot } from "./plots.js";
import { bar, customerLink, facts } from "./shapes.js";

const BEST = 10;
/** How often rankings are read again while orders change. */
const RANK_MILLIS = 5_000;
const RANGES = [[7, "7 days"], [30, "30 days"], [90, "90 days"], [null, "All"]];
const DAY = 86_400;

function ranking(rows, head) {
  return h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": head[0] }, h("table", { class: "ranking" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, head[0]), head.slice(1).map(name => h("th", { scope: "col", class: "num" }, name)))),
    h("tbody", {}, rows.length ? rows : h("tr", {}, h("td", { colspan: head.length, class: "empty" }, "Nothing yet.")))));
}

async function best(currency, signal) {
  const { items } = await query(`/stats/products?limit=${BEST}`, signal);
  const most = Number(items[0]?.units ?? 1);
  return ranking(items.map(item => h("tr", {}, h("td", { class: "wide copy" }, item.name ?? item.sku, " ", h("span", { class: "muted mono" }, item.sku), bar(Number(item.units) / most)),
    h("td", { class: "num" }, integer(item.units)), h("td", { class: "num" }, money(item.value[currency] ?? 0, currency)))), ["Product", "Units", "Value"]);
}

async function biggest(currency, signal) {
  const { items } = await query(withQuery("/customers", { limit: BEST, currency }), signal);
  const most = Number(items[0]?.lifetime_value[currency] ?? 1) || 1;
  return ranking(items.map(item => h("tr", {}, h("td", { class: "wide copy" }, customerLink(item.customer_id), bar(Number(item.lifetime_value[currency] ?? 0) / most)),
    h("td", { class: "num" }, integer(item.orders)), h("td", { class: "num" }, money(item.lifetime_value[currency] ?? 0, currency)))), ["Customer", "Orders", "Lifetime value"]);
}

/** What the days from `from` to `to`, in seconds, come to. */
function totals(days, from, to) {
  const within = days.filter(one => seconds(one.date) >= from && seconds(one.date) <= to), revenue = {};
  for (const one of within) for (const [currency, sum] of Object.entries(one.revenue)) revenue[currency] = (revenue[currency] ?? 0n) + BigInt(sum);
  const orders = within.reduce((sum, one) => sum + Number(one.orders), 0), count = within.length;
  return { orders, count, revenue: byCurrency(revenue), first: within[0]?.date, last: within.at(-1)?.date };
}

/** Buttons and two dates for a range, for those who can't drag. */
function ranges(days) {
  const [first, last] = [days[0].date, days.at(-1).date];
  const date = (label, value) => h("input", { type: "date", "aria-label": label, min: first, max: last, value });
  const [from, to] = [date("From", first), date("To", last)];
  const buttons = RANGES.filter(([count]) => count === null || count < days.length).map(([count, name]) => h("button", { type: "button", "data-days": count ?? "all" }, name));
  return {
    element: h("div", { class: "range end" }, h("div", { class: "segments", role: "group", "aria-label": "Range" }, buttons), h("span", { class: "dates" }, from, h("span", { class: "muted", "aria-hidden": "true" }, "–"), to)),
    listen(select) {
      for (const button of buttons) button.addEventListener("click", () => select(button.dataset.days === "all" ? -Infinity : seconds(last) - (Number(button.dataset.days) - 1) * DAY, Infinity));
      for (const input of [from, to]) input.addEventListener("change", () => from.value && to.value && from.value <= to.value && select(seconds(from.value), seconds(to.value)));
    },
    show({ first: start, last: end, count }) {
      if (start) [from.value, to.value] = [start, end];
      for (const button of buttons) button.setAttribute("aria-pressed", String(end === last && (button.dataset.days === "all" ? start === first : Number(button.dataset.days) === count)));
    },
  };
}

export async function history(main, { signal }) {
  const said = h("div", { role: "status" }), heading = h("div", { class: "heading" }, h("h1", {}, "History"));
  const places = [h("div", { class: "plot", id: "orders-per-day" }), h("div", { class: "plot", id: "revenue-per-day" })], sellers = h("div"), customers = h("div");
  const choice = h("select", { "aria-label": "Currency" });
  main.append(heading, h("div", { class: "grid" }, panel("In this range", "", null, said),
    panel("Orders per day", "half", h("span", { class: "muted" }, "drag for a range"), places[0]),
    panel("Revenue per day", "half", h("span", { class: "muted" }, "paid less refunded"), places[1]),
    panel("Best sellers", "half stretch", h("span", { class: "muted" }, "of all days"), sellers), panel("Biggest customers", "half stretch", h("span", { class: "muted" }, "of all days"), customers)));
  const [Plot, days, stats] = await Promise.all([uPlot(), allDays(signal), query("/stats", signal)]);
  if (signal.aborted) return;
  choice.append(...byCurrency(stats.revenue).map(([currency]) => h("option", {}, currency)));
  if (!choice.options.length) choice.append(h("option", {}, Object.keys(days.at(-1)?.revenue ?? {})[0] ?? "EUR"));
  choice.hidden = choice.options.length < 2;
  const failed = place => error => signal.aborted || replaceKeepingFocus(place, h("p", { class: "bad" }, error.message));
  const rank = oneAtATime(() => Promise.all([[best, sellers], [biggest, customers]].map(([read, place]) => read(choice.value, signal).then(made => replaceKeepingFocus(place, made)).catch(failed(place)))));
  if (days.length) {
    const range = ranges(days);
    let drawn = null, shown = [-Infinity, Infinity];
    const chosen = (from, to) => {
      shown = [from, to];
      const { orders, count, revenue, first, last } = totals(days, from, to);
      range.show({ first, last, count });
      said.replaceChildren(facts([["Days", first ? dayRange(first, last) : "none"], ["Orders", integer(orders)], ["Orders per day", rate(orders / Math.max(1, count))],
        ...revenue.map(([currency, sum]) => [`Revenue, ${currency}`, money(sum, currency)])]));
    };
    const draw = () => { drawn?.end(); const [from, to] = shown; drawn = plots(Plot, days, choice.value, places, chosen); drawn.select(from + DAY / 2, to - DAY / 2); };
    heading.append(range.element);
    range.element.append(choice);
    draw();
    range.listen((from, to) => drawn.select(from, to));
    choice.addEventListener("change", () => { draw(); rank(); });
    const resized = new ResizeObserver(() => drawn.resize());
    resized.observe(places[0]);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw, { signal });
    document.fonts?.ready.then(() => signal.aborted || draw());
    signal.addEventListener("abort", () => { resized.disconnect(); drawn.end(); });
  } else {
    text(said, "There are no orders yet.");
    places.forEach(place => place.replaceChildren(h("p", { class: "empty" }, "Days appear here with the first order.")));
  }
  const rankSoon = throttle(rank, RANK_MILLIS, signal);
  follow({ data: "none", max_per_second: 1 }, { view: rankSoon, skipped: rankSoon, refresh: rank }, signal);
  await rank();
}
