// Tables that are read again and again.

import { h } from "./dom.js";

/**
 * A table whose rows are set. Columns of numbers have a `#` in front of their name. Rows are made again only when what they
 * show has changed: a button in one keeps the focus.
 */
export function table(caption, head, none) {
  const column = name => h("th", { scope: "col", class: name.startsWith("#") && "num" }, name.replace("#", "") || h("span", { class: "visually-hidden" }, "Actions"));
  const body = h("tbody"), empty = h("p", { class: "empty" }, "…");
  const scroll = h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": caption, hidden: true }, h("table", {}, h("thead", {}, h("tr", {}, head.map(column))), body));
  let shown = "";
  return {
    element: h("div", {}, scroll, empty),
    set(items, row) {
      const next = JSON.stringify(items);
      if (next === shown) return;
      shown = next;
      scroll.hidden = !items.length;
      empty.hidden = Boolean(items.length);
      empty.textContent = none;
      body.replaceChildren(...items.map(row));
    },
    fail(words) {
      shown = "";
      scroll.hidden = true;
      empty.hidden = false;
      empty.textContent = words;
    },
  };
}
