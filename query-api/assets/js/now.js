// What happens now: rates, revenue, orders by status, lag, and the newest orders.

import { query } from "./api.js";
import { sparkline } from "./chart.js";
import { every, h, panel, text, throttle } from "./dom.js";
import { duration, integer, percent, rate, status } from "./format.js";
import { follow } from "./live.js";
import { byCurrency, money } from "./money.js";
import { STATUSES, bar, orderRow, ordersTable } from "./shapes.js";

const SECONDS = 60;
const WINDOW = 5;
/** Rows of the newest orders: as many as the window has room for. */
const rowsThatFit = () => {
  const row = 2.3 * parseFloat(getComputedStyle(document.documentElement).fontSize);
  return Math.min(40, Math.max(10, Math.floor((innerHeight - 320) / row)));
};

function tile(title, unit) {
  const value = h("span", {}, "–"), units = h("span", { class: "unit" }, unit), sub = h("p", { class: "sub" });
  const spark = sparkline(SECONDS, `${title}, the last minute`);
  const element = panel(title, "tile figure", null, h("p", { class: "value" }, value, units), sub, spark.element);
  return { element, spark, sub, set: (next, unit) => { text(value, next); if (unit) text(units, unit); } };
}

/** How fast a number that only grows has grown lately. */
function speed() {
  const seen = [];
  return {
    sample(total) { seen.push(total); if (seen.length > WINDOW + 1) seen.shift(); },
    last: () => seen.length > 1 ? Math.max(0, seen.at(-1) - seen.at(-2)) : 0,
    mean: () => seen.length > 1 ? Math.max(0, seen.at(-1) - seen[0]) / (seen.length - 1) : 0,
  };
}

function funnel(stats) {
  const sum = names => names.reduce((all, name) => all + Number(stats.by_status[name] ?? 0), 0);
  const all = Number(stats.orders);
  const steps = [
    ["Placed", all, "created"],
    ["Paid", sum(["paid", "partially_shipped", "shipped", "delivered", "refunded"]), "paid"],
    ["Shipped", sum(["shipped", "delivered"]), "shipped"],
    ["Delivered", sum(["delivered"]), "delivered"],
  ];
  return steps.map(([name, count, colour]) => h("li", {},
    h("span", {}, name), bar(all ? count / all : 0, colour),
    h("span", { class: "num" }, integer(count)), h("span", { class: "share" }, percent(count / all))));
}

function statuses(stats) {
  return STATUSES.map(name => h("li", {},
    h("a", { href: `#/find?status=${name}`, class: "badge", "data-status": name }, status(name)),
    h("span", { class: "num" }, integer(stats.by_status[name] ?? 0))));
}

function stack(stats) {
  return STATUSES.filter(name => Number(stats.by_status[name])).map(name => {
    const part = h("span", { "data-status": name, title: `${status(name)}: ${integer(stats.by_status[name])}` });
    part.style.flexGrow = Number(stats.by_status[name]);
    return part;
  });
}

function revenue(stats) {
  const rows = byCurrency(stats.revenue).map(([currency, sum]) =>
    h("li", {}, h("span", { class: "muted" }, currency), h("span", { class: "amount" }, money(sum, currency))));
  return rows.length ? rows : [h("li", { class: "empty" }, "Nothing is paid yet.")];
}

/** The newest orders, by when they came. */
function newest(body, count) {
  const orders = new Map();
  let fresh = new Set();
  return {
    set(items) { orders.clear(); fresh = new Set(); [...items].reverse().forEach(order => orders.set(order.order_id, order)); },
    add(order) {
      const known = orders.has(order.order_id);
      if (!known && order.version !== 1) return;
      if (!known) fresh.add(order.order_id);
      orders.set(order.order_id, order);
      while (orders.size > count) orders.delete(orders.keys().next().value);
    },
    show() {
      const rows = [...orders.values()].reverse().map(order => orderRow(order, fresh.has(order.order_id)));
      body.replaceChildren(...(rows.length ? rows : [h("tr", {}, h("td", { colspan: 6, class: "empty" }, "No orders yet. The first one appears here at once."))]));
      fresh = new Set();
    },
  };
}

export async function now(main, { signal }) {
  const events = tile("Commands", "per second"), placed = tile("Orders", "per second"), lag = tile("Lag of the views", "ms"), total = tile("All orders", "");
  const [steps, parts, names, sums] = [h("ol", { class: "funnel" }), h("div", { class: "stack", "aria-hidden": "true" }), h("ul", { class: "statuses" }), h("ul", { class: "currencies" })];
  const rows = h("tbody", { id: "newest" });
  main.append(h("h1", { class: "visually-hidden" }, "Now"), h("div", { class: "grid" },
    events.element, placed.element, lag.element, total.element,
    h("div", { class: "third column" }, panel("Orders by status", "", null, steps, parts, names),
      panel("Revenue", "", h("span", { class: "muted" }, "paid less refunded"), sums)),
    panel("Newest orders", "two-thirds stretch", h("span", { class: "muted" }, "as they come"), ordersTable(rows, "Newest orders"))));

  const count = rowsThatFit(), list = newest(rows, count), commits = speed(), orders = speed();
  let stats = null, applied = null, lastLag = null, changed = false;
  async function refresh() {
    try {
      stats = await query("/stats", signal);
    } catch (error) {
      if (!signal.aborted) text(total.sub, error.message);
      return;
    }
    total.set(integer(stats.orders));
    text(total.sub, `${integer(stats.customers)} customers`);
    steps.replaceChildren(...funnel(stats));
    parts.replaceChildren(...stack(stats));
    names.replaceChildren(...statuses(stats));
    sums.replaceChildren(...revenue(stats));
  }
  async function reload() {
    await refresh();
    const page = await query(`/orders?limit=${count}`, signal).catch(() => null);
    if (page) { list.set(page.items); list.show(); }
  }
  const refreshSoon = throttle(refresh, 1_000, signal), showSoon = throttle(() => list.show(), 400, signal);
  follow({}, {
    view: ({ view }) => { list.add(view); showSoon(); refreshSoon(); changed = true; },
    checkpoint: ({ applied: position, lag_ms: millis }) => { applied = position; lastLag = millis; },
    refresh: reload,
  }, signal);
  every(1_000, signal, () => {
    if (applied !== null) commits.sample(applied);
    if (stats) orders.sample(Number(stats.orders));
    events.set(rate(commits.mean()));
    placed.set(rate(orders.mean()));
    events.spark.push(commits.last());
    placed.spark.push(orders.last());
    total.spark.push(stats ? Number(stats.orders) : null);
    lag.spark.push(changed ? lastLag ?? 0 : 0);
    if (lastLag !== null) lag.set(...duration(lastLag));
    text(lag.sub, changed ? "from the command to this page" : "nothing changes at the moment");
    text(events.sub, applied === null ? "" : `position ${integer(applied)}`);
    changed = false;
  });
  await reload();
}
