// Lists of orders that move: a bounded number of rows, each made again only when its order has changed.

import { h, replaceKeepingFocus } from "./dom.js";
import { badge, customerLink, orderLink, orderRow } from "./shapes.js";
import { money } from "./money.js";

/** More that arrive together than these are not set off: all would be. */
const FEW = 3;
const placed = order => Date.parse(order.placed_at);

/** The newest orders, by when they came, newest first. `add` is cheap; `show` changes the page. */
export function newest(body, count, none) {
  let shown = new Map(), changed = new Map(), since = null;
  /** When the latest of the orders was placed that are not in the list any more. An order that was placed later belongs in it. */
  let past = Infinity; // Until the list is read.
  const isNew = order => order.version === 1 || placed(order) > past;
  const leave = order => { past = Math.max(past, placed(order)); };
  function add(order) {
    const id = order.order_id;
    since?.push(order);
    if (!shown.has(id) && !changed.has(id) && !isNew(order)) return;
    changed.set(id, order);
    if (changed.size <= 2 * count) return;
    // More than can be shown: the oldest of those that came since.
    const oldest = changed.keys().find(one => !shown.has(one));
    if (!oldest) return;
    leave(changed.get(oldest));
    changed.delete(oldest);
  }
  const draw = () => replaceKeepingFocus(body, shown.size ? [...shown.values()].map(one => one.row).reverse() : none);
  return {
    add,
    /**
     * Is called before the list is read. What it returns takes the answer, or nothing where there is none; what was added
     * since may not be in it, and is added again.
     */
    reading() {
      const mine = since = [];
      return items => {
        if (since !== mine) return; // It is being read once more.
        since = null;
        if (!items) return;
        changed = new Map();
        shown = new Map(items.slice(0, count).reverse().map(order => [order.order_id, { order, row: orderRow(order) }]));
        past = items.length < count ? -Infinity : Math.min(...items.map(placed));
        draw();
        const read = new Map(items.map(order => [order.order_id, order.version]));
        mine.filter(order => !(read.get(order.order_id) > order.version)).forEach(add);
      };
    },
    show() {
      if (!changed.size) return;
      const few = changed.keys().filter(id => !shown.has(id)).toArray().length <= FEW;
      for (const [id, order] of changed) shown.set(id, { order, row: orderRow(order, !shown.has(id) && few) });
      changed = new Map();
      for (const [id, { order }] of shown) {
        if (shown.size <= count) break;
        leave(order);
        shown.delete(id);
      }
      draw();
    },
  };
}

/** The latest changes of any order, newest first. */
export function changes(list, count) {
  const none = h("li", { class: "empty" }, "Changes appear here as they come.");
  let latest = [];
  list.append(none);
  return {
    add(order) {
      latest.push(order);
      if (latest.length > count) latest.shift();
    },
    show() {
      if (!latest.length) return;
      const made = latest.reverse().map(order => h("li", {},
        h("span", {}, badge(order.status)), h("span", { class: "num" }, money(order.total, order.currency)),
        h("span", { class: "lesser" }, orderLink(order.order_id), " · ", customerLink(order.customer_id))));
      replaceKeepingFocus(list, [...made, ...[...list.children].filter(one => one !== none)].slice(0, count));
      latest = [];
    },
  };
}
