// Orders and revenue per day; best sellers; biggest customers.

import { Problem, query, withQuery } from "./api.js";
import { h, oneAtATime, panel, replaceKeepingFocus, text, throttle } from "./dom.js";
import { dayRange, integer, rate } from "./format.js";
import { follow } from "./live.js";
import { byCurrency, money } from "./money.js";
import { allDays, plots, seconds, uPlot } from "./plots.js";
import { bar, customerLink, facts } from "./shapes.js";

const BEST = 10;
/** How often all of it is read again while orders change, or where it could not be read. */
const READ_MILLIS = 5_000;
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

/** What days come to. */
function totals(days) {
  const revenue = {}, orders = days.reduce((sum, one) => sum + Number(one.orders), 0);
  for (const one of days) for (const [currency, sum] of Object.entries(one.revenue)) revenue[currency] = (revenue[currency] ?? 0n) + BigInt(sum);
  return facts([["Days", dayRange(days[0].date, days.at(-1).date)], ["Orders", integer(orders)], ["Orders per day", rate(orders / days.length)],
    ...byCurrency(revenue).map(([currency, sum]) => [`Revenue, ${currency}`, money(sum, currency)])]);
}

/** The first and the last of the days from `from` to `to`, in seconds; where there is none, the one that is nearest to their middle. */
function span(days, from, to) {
  const x = days.map(one => seconds(one.date)), first = x.findIndex(one => one >= from), last = x.findLastIndex(one => one <= to);
  if (first >= 0 && first <= last) return [first, last];
  const distance = index => Math.abs(x[index] - (from + to) / 2), nearest = x.reduce((best, _, index) => distance(index) < distance(best) ? index : best, 0);
  return [nearest, nearest];
}

/** A range is a function of the days that there are: "30 days" moves on with them. */
const lastDays = count => days => count === null ? [-Infinity, Infinity] : [seconds(days.at(-1).date) - (count - 1) * DAY, Infinity];
const fixed = (from, to) => () => [from, to];

/** Buttons and two dates for a range, for those who can't drag. */
function ranges(select) {
  const [from, to] = ["From", "To"].map(label => h("input", { type: "date", "aria-label": label }));
  const dates = h("span", { class: "dates" }, from, h("span", { class: "muted", "aria-hidden": "true" }, "–"), to);
  const buttons = RANGES.map(([count, name]) => h("button", { type: "button", "data-days": count ?? "all", onclick: () => select(lastDays(count)) }, name));
  let shown = [];
  const put = () => { [from.value, to.value] = shown; };
  const isRange = () => from.value && to.value && from.value <= to.value;
  const take = () => select(fixed(seconds(from.value), seconds(to.value)));
  // While a year is typed, its first digits are a date of long ago: it counts once the dates are left.
  dates.addEventListener("change", () => isRange() && from.validity.valid && to.validity.valid && take());
  dates.addEventListener("focusout", event => {
    if (dates.contains(event.relatedTarget) || (from.value === shown[0] && to.value === shown[1])) return;
    if (isRange()) take();
    put();
  });
  return {
    element: h("div", { class: "range end", hidden: true }, h("div", { class: "segments", role: "group", "aria-label": "Range" }, buttons), dates),
    show(days, first, last) {
      const [begin, end] = [days[0].date, days.at(-1).date], count = last - first + 1;
      for (const input of [from, to]) if (input.min !== begin || input.max !== end) Object.assign(input, { min: begin, max: end });
      shown = [days[first].date, days[last].date];
      if (!dates.contains(document.activeElement)) put();
      for (const button of buttons) {
        const wanted = button.dataset.days === "all" ? days.length : Number(button.dataset.days);
        button.hidden = button.dataset.days !== "all" && wanted >= days.length;
        button.setAttribute("aria-pressed", String(last === days.length - 1 && count === wanted));
      }
    },
  };
}

/** Offers currencies, without a change of what is chosen where that is still there; says whether something else is. */
function offer(choice, currencies) {
  const old = choice.value, known = [...choice.options].map(one => one.value);
  const added = currencies.filter(one => !known.includes(one)).map(one => h("option", {}, one));
  if (known.every(one => currencies.includes(one))) choice.append(...added);
  else choice.replaceChildren(...currencies.map(one => h("option", {}, one)));
  if (currencies.includes(old)) choice.value = old;
  choice.hidden = currencies.length < 2;
  return choice.value !== old;
}

function layout(range, choice) {
  const said = h("div", { role: "status" }), late = h("span", { class: "bad" }), sellers = h("div"), customers = h("div");
  const places = ["orders-per-day", "revenue-per-day"].map(id => h("div", { class: "plot", id }));
  range.append(choice);
  const elements = [h("div", { class: "heading" }, h("h1", {}, "History"), range), h("div", { class: "grid" }, panel("In this range", "", late, said),
    panel("Orders per day", "half", h("span", { class: "muted by-mouse" }, "drag for a range"), places[0]),
    panel("Revenue per day", "half", h("span", { class: "muted" }, "paid less refunded"), places[1]),
    panel("Best sellers", "half stretch", h("span", { class: "muted" }, "of all days"), sellers), panel("Biggest customers", "half stretch", h("span", { class: "muted" }, "of all days"), customers))];
  return { elements, said, late, sellers, customers, places };
}

/** What the page says where there are no days. */
function noDays(said, places) {
  said.replaceChildren("There are no orders yet.");
  for (const place of places) {
    for (const { name } of [...place.attributes]) if (name === "role" || name === "tabindex" || name.startsWith("aria-")) place.removeAttribute(name);
    place.replaceChildren(h("p", { class: "empty" }, "Days appear here with the first order."));
  }
}

export async function history(main, { signal }) {
  let Plot = null, days = [], drawn = null, wanted = lastDays(null);
  const choice = h("select", { "aria-label": "Currency" }), range = ranges(select);
  const { elements, said, late, sellers, customers, places } = layout(range.element, choice);
  main.append(...elements);
  function show(isAsked) {
    const [first, last] = span(days, ...wanted(days));
    drawn.show(days, first, last);
    range.show(days, first, last);
    // What changes by itself is not read out again and again.
    said.setAttribute("aria-live", isAsked ? "polite" : "off");
    said.replaceChildren(totals(days.slice(first, last + 1)));
  }
  function select(next) { wanted = next; show(true); }
  function draw() {
    const day = drawn?.chosen();
    drawn?.end();
    drawn = plots(Plot, choice.value, places, day, (from, to) => select(fixed(from, to)));
    show(false);
  }
  const redraw = () => signal.aborted || (drawn && draw());
  function take(next, { revenue }) {
    days = next;
    const currencies = byCurrency(revenue).map(([currency]) => currency), isOther = offer(choice, currencies.length ? currencies : [Object.keys(days.at(-1)?.revenue ?? {})[0] ?? "EUR"]);
    range.element.hidden = !days.length;
    if (!days.length) { drawn?.end(); drawn = null; noDays(said, places); }
    else if (drawn && !isOther) show(false);
    else draw();
  }
  const failed = place => error => signal.aborted || replaceKeepingFocus(place, h("p", { class: "bad" }, error.message));
  const rank = oneAtATime(() => Promise.all([[best, sellers], [biggest, customers]].map(([make, place]) => make(choice.value, signal).then(made => replaceKeepingFocus(place, made)).catch(failed(place)))));
  const read = oneAtATime(async () => {
    try {
      const [library, ...answers] = await Promise.all([uPlot(), allDays(signal), query("/stats", signal)]);
      if (signal.aborted) return;
      Plot = library;
      take(...answers);
      text(late, "");
    } catch (error) {
      if (signal.aborted) return;
      text(late, error.message);
      if (!(error instanceof Problem)) readSoon(); // What the service answers is asked for again with its stream.
    }
    if (choice.value) await rank();
  });
  const readSoon = throttle(read, READ_MILLIS, signal);
  choice.addEventListener("change", () => { draw(); rank(); });
  const resized = new ResizeObserver(() => drawn?.resize());
  resized.observe(places[0]);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw, { signal });
  document.fonts?.ready.then(redraw);
  signal.addEventListener("abort", () => { resized.disconnect(); drawn?.end(); });
  follow({ data: "none", max_per_second: 1 }, { view: readSoon, skipped: readSoon, refresh: read }, signal);
  await read();
}
