// Orders by id, customer, status and time.

import { query, withQuery } from "./api.js";
import { h, oneAtATime, panel, replaceKeepingFocus, text, throttle } from "./dom.js";
import { isOrderId, plural, status } from "./format.js";
import { follow } from "./live.js";
import { STATUSES, orderRow, ordersTable } from "./shapes.js";

const PAGE = 50;
/** Rows at most: a list of more is narrowed rather than read. */
const MAX_ROWS = 1_000;

/** Of more changes than these not all are told: the rows are read again, every so often. */
export const MAX_PER_SECOND = 100;
const RENEW_MILLIS = 5_000;
/** How often a list that grows by itself is read again while there are new orders for it. */
const GROW_MILLIS = 2_000;

/** How far lists were read and scrolled, by the entry of the browser's history: who goes back finds them as they were. */
const left = new Map();

function entry() {
  if (!history.state?.entry) history.replaceState({ ...history.state, entry: `${Date.now()}-${left.size}` }, "");
  return history.state.entry;
}

/**
 * A list of orders that goes on at a button; shared with the page of a customer. One that grows takes new orders by itself;
 * another one offers them at a button, as where many come they would push away what is looked at.
 */
export function orderList(filter, signal, caption, grows = false) {
  const body = h("tbody"), note = h("p", { class: "muted", role: "status", tabindex: "-1" });
  const more = h("button", { type: "button", hidden: true }, "More"), newer = h("button", { type: "button", class: "small", hidden: true }, "Show new results");
  const mine = entry(), before = left.get(mine);
  /** Orders and their rows by id; and what is told during a read: it may be newer than the answer. */
  let shown = new Map(), told = null, next = null, turn = Promise.resolve();
  /** Whether orders may fit that are not shown. */
  let isOld = false;

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
    told.forEach(notice);
    newer.hidden = !offers();
    more.hidden = next === null || shown.size >= MAX_ROWS;
    say();
    if (hadFocus && more.hidden) (shown.get(added?.order_id)?.row.querySelector("a") ?? note).focus();
  }
  /** Whether new orders wait for the button. An empty list has nothing that they would push away. */
  const offers = () => isOld && !grows && shown.size > 0;
  function say() {
    const count = shown.size, full = next !== null && count >= MAX_ROWS;
    const gone = body.querySelectorAll(".gone").length;
    const rest = offers() ? "; others may fit by now" : gone ? `; ${gone} no longer ${gone === 1 ? "fits" : "fit"}` : full ? "; narrow the search to see others" : next ? "" : ", all that fit";
    text(note, count || next ? `${plural(count, "order")} shown${rest}.` : "No order fits.");
  }
  /** Whether an order belongs among the rows that are shown: behind them there may be others. */
  function fits({ customer_id: customer, status: state, placed_at: placed }) {
    const day = placed.slice(0, 10), last = next === null ? null : rows().at(-1);
    return (!filter.customer_id || customer === filter.customer_id) && (!filter.status || state === filter.status)
      && (!filter.from || day >= filter.from) && (!filter.to || day <= filter.to) && !(last && Date.parse(placed) < Date.parse(last.placed_at));
  }
  function notice(order) {
    if (!isOld && !shown.has(order.order_id) && fits(order)) grow();
  }
  function grow() {
    isOld = true;
    newer.hidden = !offers();
    if (!offers()) reloadSoon();
  }
  const inTurn = work => turn = turn.then(async () => {
    told = new Map();
    try {
      await work();
    } catch (error) {
      told.forEach(notice);
      if (!signal.aborted) text(note, error.message);
    }
    told = null;
  });
  const rows = () => [...shown.values()].map(one => one.order);
  const again = narrower => inTurn(async () => {
    const wasOld = isOld;
    if (!narrower) isOld = false; // What is skipped during the read may be newer than its answer.
    try {
      show(await read(Math.max(PAGE, shown.size || before?.rows || 0), null, narrower));
    } catch (error) {
      isOld ||= wasOld;
      throw error;
    }
  });
  const reload = oneAtATime(() => again()), reloadSoon = throttle(reload, GROW_MILLIS, signal);
  newer.addEventListener("click", async () => {
    const hadFocus = document.activeElement === newer;
    await reload();
    if (hadFocus && newer.hidden) (body.querySelector("a") ?? note).focus({ preventScroll: true });
  });
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
  const renewSoon = throttle(oneAtATime(() => again({ to: rows()[0]?.placed_at ?? filter.to })), RENEW_MILLIS, signal);
  let scrolled = 0;
  addEventListener("scroll", () => { scrolled = scrollY; }, { signal, passive: true });
  signal.addEventListener("abort", () => left.set(mine, { rows: shown.size, scrolled }));
  return {
    elements: [ordersTable(body, caption), h("div", { class: "more-row" }, more, note)],
    /** The button for new orders. */
    newer,
    /** Reads it from its beginning, as many rows as are shown. */
    reload,
    /** Reads it for the first time. */
    async begin() {
      await reload();
      if (before && !signal.aborted && !scrollY) scrollTo(0, before.scrolled);
    },
    /** Not all changes were told. Reads the rows that are shown, or all anew where the list grows. */
    skipped() {
      grow();
      if (!offers()) return;
      say();
      renewSoon();
    },
    /** Shows an order as it is now, where it is in the list. */
    update(order) {
      told?.set(order.order_id, order);
      const one = shown.get(order.order_id);
      if (!one) {
        if (told || isOld) return; // What is read now may have it.
        notice(order);
        if (offers()) say();
        return;
      }
      one.order = order;
      one.row.classList.add("new");
      one.row.classList.toggle("gone", !fits(order));
      replaceKeepingFocus(one.row, [...orderRow(order).cells]);
      say();
    },
  };
}

const FIELDS = ["customer_id", "status", "from", "to"];

/** Whether a text that can be the id of an order is that of none, and names a customer who has orders. */
async function namesCustomer(wanted, signal) {
  try {
    await query(`/orders/${wanted.toLowerCase()}`, signal);
    return false;
  } catch (error) {
    if (error.status !== 404) return false;
  }
  return query(withQuery("/orders", { customer_id: wanted, limit: 1 }), signal).then(page => page.items.length > 0, () => false);
}

/** The form, filled with what is asked for. `again` is called for what is asked once more. */
function search(given, again, signal) {
  let submitted = 0;
  const what = h("input", { name: "what", value: given.customer_id, autocomplete: "off", spellcheck: "false", placeholder: "C-00042, or the id of an order" });
  const which = h("select", { name: "status" }, h("option", { value: "" }, "Any"), STATUSES.map(name => h("option", { value: name, selected: name === given.status }, status(name))));
  const [from, to] = ["from", "to"].map(name => h("input", { type: "date", name, value: given[name], max: "9999-12-31" }));
  const form = h("form", { class: "fields", role: "search" },
    h("label", { class: "whole" }, "Order or customer", what), h("label", { class: "status" }, "Status", which), h("label", {}, "Placed from (UTC)", from), h("label", {}, "Placed to", to),
    h("button", { class: "primary" }, "Find"), h("a", { class: "button", href: "#/find" }, "Clear"));
  const complain = () => to.setCustomValidity(from.value && to.value && to.value < from.value ? "This is before the day that the range begins with." : "");
  [from, to].forEach(input => input.addEventListener("input", complain));
  form.addEventListener("submit", async event => {
    event.preventDefault();
    const wanted = what.value.trim(), turn = ++submitted;
    const orders = withQuery("/find", { customer_id: wanted, status: which.value, from: from.value, to: to.value });
    const isOrder = isOrderId(wanted) && !await namesCustomer(wanted, signal);
    if (signal.aborted || turn !== submitted) return; // Another view was chosen meanwhile, or something else asked for.
    const before = location.hash;
    location.hash = isOrder ? `#/orders/${wanted.toLowerCase()}` : `#${orders}`;
    if (location.hash === before) again();
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
    panel("What to find", "", null, search(given, list.reload, signal)),
    panel(title, "", [list.newer, page || h("span", { class: "muted" }, "newest first")], list.elements)));
  // Without the status: what leaves it is told as well.
  follow({ customer_id: given.customer_id, max_per_second: MAX_PER_SECOND },
    { view: ({ view }) => list.update(view), skipped: list.skipped, refresh: list.reload }, signal);
  await list.begin();
}
