// Building elements. Text from anywhere becomes text nodes, never markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child !== undefined && child !== null && child !== false) element.append(child);
  }
  return element;
}

/** An element with attributes (`on…` are listeners) and children: elements or text. */
export function h(name, attributes, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same in SVG. */
export function s(name, attributes, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

/** Sets the text of an element if it differs, so that nothing is laid out in vain. */
export function text(element, value) {
  const next = String(value);
  if (element.textContent !== next) element.textContent = next;
}

/** A panel with a heading. `aside` stands at the right of the heading. */
export function panel(title, classes, aside, ...children) {
  const id = `p-${title.toLowerCase().replaceAll(/[^a-z]+/g, "-")}`;
  return h("section", { class: `panel ${classes}`, "aria-labelledby": id },
    h("header", {}, h("h2", { id }, title), aside), ...children);
}

/** Calls `work` at most once in `millis`, and once more after the last call. */
export function throttle(work, millis, signal) {
  let timer, last = 0;
  signal?.addEventListener("abort", () => clearTimeout(timer));
  return () => {
    if (timer || signal?.aborted) return;
    timer = setTimeout(() => { timer = undefined; last = Date.now(); work(); }, Math.max(0, last + millis - Date.now()));
  };
}

/** Calls `work` every `millis` until the view is left. */
export function every(millis, signal, work) {
  const timer = setInterval(work, millis);
  signal.addEventListener("abort", () => clearInterval(timer));
}
