// One customer.

import { query } from "./api.js";
import { h, oneAtATime, panel, throttle } from "./dom.js";
import { dateMinute, integer } from "./format.js";
import { MAX_PER_SECOND, orderList } from "./find.js";
import { follow } from "./live.js";
import { byCurrency, money } from "./money.js";
import { facts } from "./shapes.js";

export async function customer(main, { id, signal }) {
  const about = h("div"), list = orderList({ customer_id: id }, signal, "Orders of this customer", true);
  main.append(h("div", { class: "heading" }, h("h1", { class: "copy" }, "Customer ", h("span", { id: "customer" }, id))),
    h("div", { class: "grid" }, panel("In all", "", null, about),
      panel("Orders", "", h("span", { class: "muted" }, "newest first"), list.elements)));
  const read = oneAtATime(async () => {
    try {
      const found = await query(`/customers/${encodeURIComponent(id)}`, signal);
      const worth = byCurrency(found.lifetime_value).map(([currency, sum]) => [`Lifetime value, ${currency}`, money(sum, currency)]);
      about.replaceChildren(facts([["Orders, not cancelled", integer(found.orders)], ...worth, ["First order", dateMinute(found.first_order_at)], ["Latest order", dateMinute(found.last_order_at)]]));
    } catch (error) {
      if (!signal.aborted) about.replaceChildren(h("p", { class: "empty" }, error.message));
    }
  });
  const readSoon = throttle(read, 1_000, signal);
  follow({ customer_id: id, max_per_second: MAX_PER_SECOND }, {
    view: ({ view }) => { list.update(view); readSoon(); },
    skipped: () => { list.skipped(); readSoon(); },
    refresh: () => { list.reload(); read(); },
  }, signal);
  await Promise.all([read(), list.begin()]);
}
