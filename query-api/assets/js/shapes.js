// Orders as several views show them.

import { h } from "./dom.js";
import { dateMinute, dateTime, integer, shortId, status } from "./format.js";
import { money } from "./money.js";

export const STATUSES = ["created", "partially_paid", "paid", "partially_shipped", "shipped", "delivered", "refunded", "cancelled"];

export const badge = name => h("span", { class: "badge", "data-status": name }, status(name));
export const orderLink = id => h("a", { href: `#/orders/${encodeURIComponent(id)}`, class: "mono", title: id }, shortId(id));
export const customerLink = id => h("a", { href: `#/customers/${encodeURIComponent(id)}` }, id);

/** How wide a bar is, of 1. */
export function bar(share, name) {
  const inner = h("span", { hidden: !share });
  inner.style.width = `${Math.min(100, share * 100)}%`;
  return h("div", { class: "bar", "data-status": name, "aria-hidden": "true" }, inner);
}

export function orderRow(order, isNew) {
  const units = order.items.reduce((sum, item) => sum + item.quantity, 0);
  return h("tr", { class: isNew && "new", "data-key": order.order_id },
    h("td", {}, orderLink(order.order_id)),
    h("td", { class: "wide" }, customerLink(order.customer_id)),
    h("td", {}, badge(order.status)),
    h("td", { class: "num side" }, integer(units)),
    h("td", { class: "num" }, money(order.total, order.currency)),
    h("td", { class: "num side muted" }, h("time", { datetime: order.placed_at, title: dateTime(order.placed_at) }, dateMinute(order.placed_at))));
}

/** A table of orders; its body is filled with rows. */
export function ordersTable(body, caption) {
  const head = ["Order", "Customer", "Status"].map(name => h("th", { scope: "col" }, name));
  return h("div", { class: "orders-panel scroll", tabindex: "0", role: "group", "aria-label": caption }, h("table", { class: "orders" },
    h("caption", { class: "visually-hidden" }, caption),
    h("thead", {}, h("tr", {}, head, h("th", { scope: "col", class: "num side" }, "Units"),
      h("th", { scope: "col", class: "num" }, "Total"), h("th", { scope: "col", class: "num side" }, "Placed"))),
    body));
}

export function facts(pairs, classes = "") {
  return h("dl", { class: `facts ${classes}` }, pairs.map(([name, ...value]) => h("div", {}, h("dt", {}, name), h("dd", {}, ...value))));
}
