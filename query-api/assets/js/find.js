// Orders by id, customer, status and time.

import { query, withQuery } from "./api.js";
import { h, oneAtATime, panel, replaceKeepingFocus, text, throttle } from "./dom.js";
import { plural, status } from "./format.js";
import { follow } from "./live.js";
import { STATUSES, orderRow, ordersTable } from "./shapes.js";

const UUID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i;
const PAGE = 50;
/** Rows at most: a list of more is narrowed rather than read. */
const MAX_ROWS = 1_000;

/** Of more changes than these not all are told: the rows are read again, every so often. */
export const MAX_PER_SECOND = 100;
const RENEW_MILLIS = 5_000;

/** A list of orders that goes on at a button; shared with the page of a customer. */
export function orderList(filter, signal, caption) {
  const body = h("tbody"), note = h("p", { class: "muted", role: "status", tabindex: "-1" });
  const more = h("button", { type: "button", hidden: true }, "More");
  /** Orders and their rows by id; and what is told during a read: it may be newer than the answer. */
  let shown = new Map(), told = null, next = null, turn = Promise.resolve();

  /** Reads pages from a cursor on, until there are `count` orders or the list ends. */
  async function read(count, cursor, narrower) {
    const orders = [];
    do {
      const page = await query(withQuery("/orders", { ...filter, ...narrower, limit: count - orders.length, cursor }), signal);
      orders.push(...page.items);
      cursor = page.next;
    } while (cursor !== null && orders.length < count);
    next = cursor;
    return orders;
  }
  function show(orders, added) {
    const hadFocus = document.activeElement === more, known = shown;
    const latest = orders.map(order => told.get(order.order_id)?.version > order.version ? told.get(order.order_id) : order);
    shown = new Map(latest.map(order => {
      const old = known.get(order.order_id);
      return [order.order_id, old?.order.version === order.version ? old : { order, row: orderRow(order) }];
    }));
    replaceKeepingFocus(body, [...shown.values()].map(one => one.row));
    const count = shown.size, full = next !== null && count >= MAX_ROWS;
    more.hidden = next === null || full;
    text(note, !count && !next ? "No order fits." : `${plural(count, "order")} shown${full ? "; narrow the search to see others" : next ? "" : ", all that fit"}.`);
    if (hadFocus && more.hidden) (shown.get(added?.order_id)?.row.querySelector("a") ?? note).focus();
  }
  const inTurn = work => turn = turn.then(async () => {
    told = new Map();
    try {
      await work();
    } catch (error) {
      if (!signal.aborted) text(note, error.message);
    }
    told = null;
  });
  const rows = () => [...shown.values()].map(one => one.order);
  const again = narrower => inTurn(async () => show(await read(Math.max(PAGE, shown.size), null, narrower)));
  more.addEventListener("click", async () => {
    if (more.getAttribute("aria-disabled") === "true") return;
    more.setAttribute("aria-disabled", "true"); // A button that is disabled loses the focus.
    await inTurn(async () => {
      if (next === null) return;
      const orders = await read(PAGE, next);
      show([...rows(), ...orders], orders[0]);
    });
    more.setAttribute("aria-disabled", "false");
  });
  return {
    elements: [ordersTable(body, caption), h("div", { class: "more-row" }, more, note)],
    /** Reads it from its beginning, as many rows as are shown. */
    reload: oneAtATime(() => again()),
    /** Reads the rows that are shown, without newer orders: where many come they would push away what is looked at. */
    renewSoon: throttle(oneAtATime(() => again({ to: rows()[0]?.placed_at ?? filter.to })), RENEW_MILLIS, signal),
    /** Shows an order as it is now, where it is in the list. */
    update(order) {
      told?.set(order.order_id, order);
      const one = shown.get(order.order_id);
      if (!one) return;
      one.order = order;
      one.row.classList.add("new");
      replaceKeepingFocus(one.row, [...orderRow(order).cells]);
    },
  };
}

const FIELDS = ["customer_id", "status", "from", "to"];

/** The form, filled with what is asked for. */
function search(given) {
  const what = h("input", { name: "what", value: given.customer_id, autocomplete: "off", spellcheck: "false", placeholder: "C-00042, or the id of an order" });
  const which = h("select", { name: "status" }, h("option", { value: "" }, "Any"), STATUSES.map(name => h("option", { value: name, selected: name === given.status }, status(name))));
  const [from, to] = ["from", "to"].map(name => h("input", { type: "date", name, value: given[name], max: "9999-12-31" }));
  const form = h("form", { class: "fields", role: "search" },
    h("label", { class: "whole" }, "Order or customer", what), h("label", { class: "status" }, "Status", which), h("label", {}, "Placed from (UTC)", from), h("label", {}, "Placed to", to),
    h("button", { class: "primary" }, "Find"), h("a", { class: "button", href: "#/find" }, "Clear"));
  const complain = () => to.setCustomValidity(from.value && to.value && to.value < from.value ? "This is before the day that the range begins with." : "");
  [from, to].forEach(input => input.addEventListener("input", complain));
  form.addEventListener("submit", event => {
    event.preventDefault();
    const wanted = what.value.trim();
    if (UUID.test(wanted)) location.hash = `#/orders/${wanted.toLowerCase()}`;
    else location.hash = `#${withQuery("/find", { customer_id: wanted, status: which.value, from: from.value, to: to.value })}`;
  });
  return form;
}

export async function find(main, { parameters, signal }) {
  const given = Object.fromEntries(FIELDS.map(name => [name, parameters.get(name) ?? ""]));
  const title = ["Orders", given.status && `that are ${status(given.status).toLowerCase()}`, given.customer_id && `of ${given.customer_id}`,
    given.from && `from ${given.from}`, given.to && `to ${given.to}`].filter(Boolean).join(" ");
  const list = orderList(given, signal, title);
  const page = given.customer_id && h("a", { href: `#/customers/${encodeURIComponent(given.customer_id)}` }, "The customer's page");
  main.append(h("div", { class: "heading" }, h("h1", {}, "Find")), h("div", { class: "grid" },
    panel("What to find", "", null, search(given)),
    panel(title, "", page || h("span", { class: "muted" }, "newest first"), list.elements)));
  // Without the status: what leaves it is told as well.
  follow({ customer_id: given.customer_id, max_per_second: MAX_PER_SECOND },
    { view: ({ view }) => list.update(view), skipped: list.renewSoon, refresh: list.reload }, signal);
  await list.reload();
}
