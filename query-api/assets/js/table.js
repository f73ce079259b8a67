// Tables that are read again and again.

import { h, replaceKeepingFocus } from "./dom.js";

/**
 * A table whose rows are set. Columns of numbers have a `#` in front of their name. Rows are made again only when what they
 * show has changed; what has the focus in one keeps it, by its `data-key`.
 */
export function table(caption, head, none) {
  const column = name => h("th", { scope: "col", class: name.startsWith("#") && "num" }, name.replace("#", "") || h("span", { class: "visually-hidden" }, "Actions"));
  const body = h("tbody"), empty = h("p", { class: "empty" }, "…");
  const scroll = h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": caption, hidden: true }, h("table", {}, h("thead", {}, h("tr", {}, head.map(column))), body));
  let shown = "";
  /** Shows words in place of the table, or the table where there are none. */
  function instead(words) {
    const had = scroll.contains(document.activeElement);
    scroll.hidden = Boolean(words);
    empty.hidden = !words;
    empty.textContent = words;
    if (!had || !words) return;
    empty.tabIndex = -1;
    empty.focus({ preventScroll: true });
  }
  return {
    element: h("div", {}, scroll, empty),
    set(items, row) {
      const next = JSON.stringify(items);
      if (next === shown) return;
      shown = next;
      instead(items.length ? "" : none);
      replaceKeepingFocus(body, items.map(row));
    },
    fail(words) {
      shown = "";
      instead(words);
    },
  };
}
