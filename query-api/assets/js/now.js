// What happens now: rates, revenue, orders by status, lag, and the newest orders.

import { commandUrl, query } from "./api.js";
import { sparkline } from "./chart.js";
import { every, h, oneAtATime, panel, text, throttle } from "./dom.js";
import { duration, integer, plural, rate } from "./format.js";
import { follow } from "./live.js";
import { changes, newest } from "./newest.js";
import { ordersTable } from "./shapes.js";
import { speed } from "./speed.js";
import { totals } from "./totals.js";

const SECONDS = 60;
const SHOW_MILLIS = 250;
/** More changes than these can't be seen; of more, the newest orders are read every so often. */
const MAX_PER_SECOND = 100, RELOAD_MILLIS = 2_000;
const WALL = "(min-width: 2000px)";
const EXAMPLE = '{"customer_id": "C-00042", "currency": "EUR", "items": [{"sku": "P-0001", "name": "Lamp", "quantity": 2, "unit_price": 1250}]}';

/** Rows of the newest orders: as many as the window has room for. */
const rowsThatFit = () => {
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  return Math.min(40, Math.max(10, Math.floor((innerHeight - 26.5 * rem) / (2.6 * rem))));
};

function tile(title, unit) {
  const value = h("span", {}, "–"), units = h("span", { class: "unit" }, unit), sub = h("p", { class: "sub" });
  const spark = sparkline(SECONDS, `${title}, the last minute`);
  const element = panel(title, "tile figure", null, h("p", { class: "value" }, value, units), sub, spark.element);
  return { element, spark, sub, set: (next, unit) => { text(value, next); if (unit) text(units, unit); } };
}

function nothingYet() {
  const example = h("code", { class: "hint", hidden: true });
  commandUrl("/orders").then(url => {
    if (!url) return;
    example.hidden = false;
    text(example, `curl --json '${EXAMPLE}' ${url}`);
  });
  return h("tr", {}, h("td", { colspan: 6 }, h("div", { class: "empty" }, h("p", {}, "No orders yet. The first one appears here at once."), example)));
}

function layout() {
  const commands = tile("Commands", "per second"), orders = tile("Orders", "per second"), lag = tile("Lag of the views", ""), total = tile("All orders", "");
  const sums = totals(), rows = h("tbody", { id: "newest" }), latest = h("ol", { class: "changes" });
  const grid = h("div", { class: "grid" },
    commands.element, orders.element, lag.element, total.element,
    h("div", { class: "third column stretch" }, panel("Orders by status", "", null, sums.status),
      panel("Revenue", "grow", h("span", { class: "muted" }, "paid less refunded"), sums.revenue)),
    panel("Newest orders", "two-thirds stretch with-wall", h("span", { class: "muted" }, "as they come"), ordersTable(rows, "Newest orders")),
    panel("Latest changes", "wall-only", h("span", { class: "muted" }, "of any order"), latest));
  const show = stats => {
    total.set(integer(stats.orders));
    text(total.sub, plural(stats.customers, "customer"));
    sums.set(stats);
  };
  return { commands, orders, lag, total, rows, latest, grid, show };
}

export async function now(main, { signal }) {
  const { commands, orders, lag, total, rows, latest, grid, show } = layout();
  main.append(h("h1", { class: "visually-hidden" }, "Now"), grid);
  const count = rowsThatFit(), list = newest(rows, count, nothingYet()), recent = changes(latest, Math.floor(count * 0.7)), wall = matchMedia(WALL);
  const commits = speed(), placed = speed(), lags = [];
  // What is not known is null: what was known before a cut is no figure of the time after it, nor is the highest lag of then.
  let isLive = false, stats = null, applied = null, lastLag = null;
  const become = live => { isLive = live; stats = applied = lastLag = null; lags.length = 0; };
  const refresh = oneAtATime(async () => {
    try {
      stats = await query("/stats", signal);
      show(stats);
    } catch (error) {
      if (!signal.aborted) text(total.sub, error.message);
    }
  });
  const reload = oneAtATime(async () => {
    await refresh();
    const take = list.reading(), page = await query(`/orders?limit=${count}`, signal).catch(() => null);
    take(page?.items);
    list.show();
  });
  const refreshSoon = throttle(refresh, 1_000, signal), showSoon = throttle(() => { list.show(); recent.show(); }, SHOW_MILLIS, signal);
  const reloadSoon = throttle(reload, RELOAD_MILLIS, signal);
  follow({ max_per_second: MAX_PER_SECOND }, {
    view: ({ view }) => { list.add(view); if (wall.matches) recent.add(view); showSoon(); refreshSoon(); },
    checkpoint: ({ applied: position, lag_ms: millis }) => { applied = position; if (millis !== null) lastLag = Math.max(millis, lastLag ?? 0); },
    skipped: reloadSoon,
    refresh: () => { if (!isLive) become(true); reload(); },
    cut: () => become(false),
  }, signal);
  every(1_000, signal, () => {
    if (!isLive) {
      for (const one of [commands, orders, lag]) { one.set("–"); text(one.sub, "not known at the moment"); }
      for (const one of [commands, orders, lag, total]) one.spark.push(null);
      return;
    }
    if (applied !== null) commits.sample(applied);
    if (stats) placed.sample(Number(stats.orders));
    commands.set(rate(commits.mean()));
    orders.set(rate(placed.mean()));
    commands.spark.push(commits.last());
    orders.spark.push(placed.last());
    total.spark.push(stats ? Number(stats.orders) : null);
    lag.spark.push(lastLag ?? 0);
    lags.push(lastLag ?? 0);
    if (lags.length > SECONDS) lags.shift();
    const peak = Math.max(...lags);
    if (lastLag !== null || !peak) lag.set(...duration(lastLag ?? 0));
    text(lag.sub, peak ? `peak of ${duration(peak).join(" ")} in ${lags.length} s` : "nothing changes at the moment");
    text(commands.sub, `${integer(commits.grown())} in ${commits.seconds()} s`);
    text(orders.sub, `${integer(placed.grown())} in ${placed.seconds()} s`);
    lastLag = null;
  });
  await reload();
}
