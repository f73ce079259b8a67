// Orders by id, customer and status.

import { query, withQuery } from "./api.js";
import { h, panel, text } from "./dom.js";
import { status } from "./format.js";
import { follow } from "./live.js";
import { STATUSES, orderRow, ordersTable } from "./shapes.js";

const UUID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i;
const PAGE = 50;

/** A list of orders that goes on at a button; shared with the page of a customer. */
export function orderList(filter, signal, caption) {
  const body = h("tbody"), note = h("p", { class: "empty", role: "status" });
  const more = h("button", { type: "button", class: "more", hidden: true }, "More");
  let next = null;
  async function load() {
    more.disabled = true;
    try {
      const page = await query(withQuery("/orders", { ...filter, limit: PAGE, cursor: next }), signal);
      body.append(...page.items.map(order => orderRow(order)));
      next = page.next;
      more.hidden = next === null;
      text(note, body.children.length || next ? "" : "No order fits.");
    } catch (error) {
      if (!signal.aborted) text(note, error.message);
    }
    more.disabled = false;
  }
  more.addEventListener("click", load);
  return {
    load, elements: [ordersTable(body, caption), note, more],
    /** Shows an order as it is now, where it is in the list. */
    update(order) {
      const row = [...body.children].find(row => row.dataset.order === order.order_id);
      row?.replaceWith(orderRow(order, true));
    },
  };
}

export async function find(main, { parameters, signal }) {
  const given = Object.fromEntries(["customer_id", "status"].map(name => [name, parameters.get(name) ?? ""]));
  const what = h("input", { id: "what", name: "what", value: given.customer_id, autocomplete: "off", spellcheck: "false" });
  const which = h("select", { id: "which", name: "status" }, h("option", { value: "" }, "Any"),
    STATUSES.map(name => h("option", { value: name, selected: name === given.status }, status(name))));
  const form = h("form", { class: "fields", role: "search" },
    h("label", {}, "Order id, or customer", what), h("label", { class: "short" }, "Status", which), h("button", { class: "primary" }, "Find"));
  form.addEventListener("submit", event => {
    event.preventDefault();
    const wanted = what.value.trim();
    if (UUID.test(wanted)) location.hash = `#/orders/${wanted.toLowerCase()}`;
    else location.hash = `#${withQuery("/find", { customer_id: wanted, status: which.value })}`;
  });
  const title = ["Orders", given.status && `that are ${status(given.status).toLowerCase()}`, given.customer_id && `of ${given.customer_id}`].filter(Boolean).join(" ");
  const list = orderList(given, signal, title);
  const page = given.customer_id && h("a", { href: `#/customers/${encodeURIComponent(given.customer_id)}` }, "The customer's page");
  main.append(h("div", { class: "heading" }, h("h1", {}, "Find")), h("div", { class: "grid" },
    panel("What to find", "", null, form),
    panel(title, "", page || h("span", { class: "muted" }, "newest first"), list.elements)));
  follow(given, { view: ({ view }) => list.update(view) }, signal);
  await list.load();
}
