// Orders by id, customer, status and time.

import { query, withQuery } from "./api.js";
import { h, panel, text } from "./dom.js";
import { plural, status } from "./format.js";
import { follow } from "./live.js";
import { STATUSES, orderRow, ordersTable } from "./shapes.js";

const UUID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i;
const PAGE = 50;
/** Rows at most: a list of more is narrowed rather than read. */
const MAX_ROWS = 1_000;

/** A list of orders that goes on at a button; shared with the page of a customer. */
export function orderList(filter, signal, caption) {
  const body = h("tbody"), note = h("p", { class: "muted", role: "status" });
  const more = h("button", { type: "button", hidden: true }, "More");
  let next = null;
  async function load() {
    more.disabled = true;
    try {
      const page = await query(withQuery("/orders", { ...filter, limit: PAGE, cursor: next }), signal);
      body.append(...page.items.map(order => orderRow(order)));
      next = page.next;
      const count = body.children.length, full = next !== null && count >= MAX_ROWS;
      more.hidden = next === null || full;
      text(note, !count && !next ? "No order fits." : `${plural(count, "order")} shown${full ? "; narrow the search to see others" : next ? "" : ", all that fit"}.`);
    } catch (error) {
      if (!signal.aborted) text(note, error.message);
    }
    more.disabled = false;
  }
  more.addEventListener("click", load);
  return {
    load, elements: [ordersTable(body, caption), h("div", { class: "more-row" }, more, note)],
    /** Shows an order as it is now, where it is in the list. */
    update(order) {
      const row = body.querySelector(`[data-key="${CSS.escape(order.order_id)}"]`);
      if (row && !row.contains(document.activeElement)) row.replaceWith(orderRow(order, true));
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
  follow({ customer_id: given.customer_id, status: given.status }, { view: ({ view }) => list.update(view) }, signal);
  await list.load();
}
