// One order: as it is, and as it was after each of its events.

import { commandUrl, isRepeatable, query, Problem } from "./api.js";
import { every, h, panel, replaceKeepingFocus, text, throttle } from "./dom.js";
import { dateMinute, dateTime, integer, isOrderId } from "./format.js";
import { follow, tell } from "./live.js";
import { money } from "./money.js";
import { badge, customerLink, facts } from "./shapes.js";
import { timeline } from "./timeline.js";

/** While the history is not what the view is, it is asked for so often. */
const RETRY_MILLIS = 2_000;

export function moneyFacts(order) {
  const amount = value => money(value, order.currency);
  const owed = order.status === "cancelled" ? 0 : Math.max(0, order.total - order.paid);
  return facts([["Total", amount(order.total)], ["Paid", amount(order.paid)], ["Refunded", amount(order.refunded)], ["Owed", amount(owed)]], "large");
}

export function itemsTable(order) {
  const amount = value => money(value, order.currency);
  const row = item => h("tr", {},
    h("td", { class: "mono" }, item.sku), h("td", { class: "copy" }, item.name),
    h("td", { class: "num" }, integer(item.quantity)), h("td", { class: "num" }, amount(item.unit_price)),
    h("td", { class: "num" }, amount(BigInt(item.quantity) * BigInt(item.unit_price))),
    h("td", { class: "num" }, `${integer(item.shipped)} / ${integer(item.delivered)}`));
  return h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Items", "data-key": "items" }, h("table", {},
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Product"), h("th", { scope: "col" }, "Name"),
      ["Units", "Each", "Value", "Shipped / delivered"].map(name => h("th", { scope: "col", class: "num" }, name)))),
    h("tbody", {}, order.items.map(row))));
}

const exact = at => h("time", { datetime: at, title: dateTime(at) }, dateMinute(at));

/** The view as it is now. */
function present() {
  const status = h("span", { class: "frame" }), customer = h("span"), times = h("div"), sums = h("div"), items = h("div");
  return {
    status, elements: [
      h("div", { class: "half column stretch" }, panel("The order now", "", h("span", { class: "muted" }, "from the views"), times), panel("Money", "grow", null, sums)),
      panel("Items", "half stretch", null, items),
    ],
    set(order) {
      status.replaceChildren(badge(order.status));
      replaceKeepingFocus(times, [facts([["Customer", customerLink(order.customer_id)], ["Version", integer(order.version)],
        ["Placed", exact(order.placed_at)], ["Changed", exact(order.updated_at)]], "two")]);
      sums.replaceChildren(moneyFacts(order));
      replaceKeepingFocus(items, [itemsTable(order)]);
    },
  };
}

export async function order(main, { id, signal }) {
  const heading = h("div", { class: "heading" }, h("h1", {}, "Order"), h("code", { class: "id" }, id));
  main.append(heading);
  if (!isOrderId(id)) {
    main.append(h("p", { class: "note", id: "no-order" }, "This is not the id of an order. ", h("a", { href: "#/find" }, "Find"), " has orders by customer, status and time."));
    return tell("none", "Nothing to follow");
  }
  const shown = present(), past = h("div", { class: "grid past" }), raw = h("span", { class: "end" });
  heading.append(shown.status, raw);
  main.append(h("div", { class: "grid" }, shown.elements), past);

  /** The version of the view, and how many of its changes were told. */
  let seen = 0, told = 0, turn = Promise.resolve();
  /** One read after the other: an answer never takes the place of a later one. */
  const read = () => turn = turn.then(readOnce);
  async function readOnce() {
    const before = told;
    try {
      const view = await query(`/orders/${encodeURIComponent(id)}`, signal);
      if (told !== before) return; // What was told meanwhile is no older.
      seen = view.version;
      shown.set(view);
    } catch (error) {
      if (error instanceof Problem && !signal.aborted && !shown.status.firstElementChild) text(shown.status, error.message);
    }
  }
  let line = null, reading = false, again = false, isDue = false;
  /** Why there is no history: it is asked for again only where that may pass. */
  function missing(error) {
    const how = isDue ? "does not answer here" : error.status === 404 ? "does not have it" : "does not show it";
    return h("p", { class: "note", id: "no-history" }, `The history of this order comes from command-api, which ${how}: ${error.message} What the views say is shown above.`);
  }
  /** One at a time: what changes meanwhile is read afterwards. */
  async function history() {
    again = reading;
    if (reading) return;
    reading = true;
    do {
      again = false;
      try {
        if (line) await line.update();
        else { line = await timeline(id, seen, signal); if (!signal.aborted) past.replaceChildren(...line.elements); }
        isDue = false;
      } catch (error) {
        isDue = isRepeatable(error);
        if (again || signal.aborted) continue; // What is read once more says how it is.
        if (line) line.stale(error.message, isDue);
        else past.replaceChildren(missing(error));
      }
    } while (again && !signal.aborted);
    reading = false;
  }
  const historySoon = throttle(history, 500, signal);
  commandUrl(`/orders/${encodeURIComponent(id)}/events`).then(url => {
    if (url) raw.append(h("a", { href: url, target: "_blank", rel: "noopener" }, "Raw events ↗"));
  });
  follow({ order_id: id }, {
    view: ({ view }) => { told += 1; seen = view.version; shown.set(view); historySoon(); },
    refresh: () => read().then(historySoon), // The history begins at the version that was read.
  }, signal);
  every(RETRY_MILLIS, signal, () => { if (isDue) history(); else line?.retry(); });
  await read();
  await history();
}
