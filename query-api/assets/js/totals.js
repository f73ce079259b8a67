// The totals of all orders: a funnel, the statuses, revenue. What is made once is only filled afterwards, so that what has
// the focus keeps it.

import { h, text } from "./dom.js";
import { integer, percent, status } from "./format.js";
import { byCurrency, money } from "./money.js";
import { STATUSES, bar } from "./shapes.js";

/** How far orders came: those in one of these statuses were at the step. */
const STEPS = [
  ["Placed", STATUSES, "created"],
  ["Paid", ["paid", "partially_shipped", "shipped", "delivered", "refunded"], "paid"],
  ["Shipped", ["shipped", "delivered"], "shipped"],
  ["Delivered", ["delivered"], "delivered"],
];

function funnel() {
  const rows = STEPS.map(([name, statuses, colour]) => {
    const width = bar(0, colour), count = h("span", { class: "num" }), share = h("span", { class: "share" });
    return { statuses, width, count, share, element: h("li", {}, h("span", {}, name), width, count, share) };
  });
  return {
    element: h("ol", { class: "funnel" }, rows.map(row => row.element)),
    set({ orders, by_status: counts }) {
      for (const { statuses, width, count, share } of rows) {
        const sum = statuses.reduce((all, name) => all + Number(counts[name] ?? 0), 0), part = Number(orders) ? sum / Number(orders) : 0;
        width.firstChild.style.width = `${part * 100}%`;
        width.firstChild.hidden = sum === 0;
        text(count, integer(sum));
        text(share, percent(part));
      }
    },
  };
}

function statuses() {
  const parts = STATUSES.map(name => h("span", { "data-status": name })), counts = STATUSES.map(() => h("span", { class: "num" }));
  const row = (name, i) => h("li", {}, h("a", { href: `#/find?status=${name}`, class: "badge", "data-status": name }, status(name)), counts[i]);
  return {
    elements: [h("div", { class: "stack", "aria-hidden": "true" }, parts), h("ul", { class: "statuses" }, STATUSES.map(row))],
    set({ by_status: found }) {
      STATUSES.forEach((name, i) => {
        const count = Number(found[name] ?? 0);
        parts[i].style.flexGrow = count;
        parts[i].hidden = count === 0;
        text(counts[i], integer(count));
      });
    },
  };
}

function revenue() {
  const element = h("ul", { class: "currencies" }), rows = new Map(), none = h("li", { class: "empty" }, "Nothing is paid yet.");
  return {
    element,
    set({ revenue: sums }) {
      for (const [currency, sum] of byCurrency(sums)) {
        if (!rows.has(currency)) {
          rows.set(currency, h("span", { class: "amount" }));
          element.append(h("li", {}, h("span", { class: "muted" }, currency), rows.get(currency)));
        }
        text(rows.get(currency), money(sum, currency));
      }
      for (const [currency, amount] of rows) if (!(currency in sums)) { amount.parentElement.remove(); rows.delete(currency); }
      if (rows.size) none.remove(); else element.append(none);
    },
  };
}

/** `set` fills all three from an answer of `/stats`. */
export function totals() {
  const [steps, names, sums] = [funnel(), statuses(), revenue()];
  return { status: [steps.element, names.elements], revenue: sums.element, set: stats => [steps, names, sums].forEach(part => part.set(stats)) };
}
