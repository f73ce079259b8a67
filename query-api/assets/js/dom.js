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

/** By what an element is known again in what takes its place. */
const keyOf = element => element.dataset.key ?? (element.id || element.getAttribute("href") || element.getAttribute("aria-label"));
const likeIt = (element, place) => keyOf(element) && [...place.querySelectorAll(element.localName)].find(one => keyOf(one) === keyOf(element));

/**
 * Gives an element these children: elements or text, in a list or alone. Those that it has already are left as they are. If
 * what had the focus is replaced, the element with the same `data-key`, id, `href` or label gets it, where that is in a part
 * with a `data-key` the one in the same part; if there is none, `parent`.
 */
export function replaceKeepingFocus(parent, children) {
  const had = document.activeElement, isWithin = had !== parent && parent.contains(had);
  const around = isWithin ? had.parentElement.closest("[data-key]") : null, part = around !== parent && parent.contains(around) ? around : null;
  const next = [children].flat(Infinity).filter(child => child !== undefined && child !== null && child !== false)
    .map(child => child instanceof Node ? child : document.createTextNode(child));
  const staying = new Set(next);
  for (const child of [...parent.childNodes]) if (!staying.has(child)) child.remove();
  let place = parent.firstChild;
  for (const child of next) {
    if (child === place) place = place.nextSibling;
    else parent.insertBefore(child, place);
  }
  if (!isWithin || document.activeElement === had) return;
  const within = part ? likeIt(part, parent) : parent, heir = parent.contains(had) ? had : within && likeIt(had, within);
  heir?.focus({ preventScroll: true });
  if (heir && document.activeElement === heir) return;
  if (!parent.hasAttribute("tabindex")) parent.tabIndex = -1;
  parent.focus({ preventScroll: true });
}

let panels = 0;

/** A panel with a heading. `aside` stands at the right of the heading. */
export function panel(title, classes, aside, ...children) {
  const id = `panel-${++panels}`;
  return h("section", { class: `panel ${classes}`, "aria-labelledby": id },
    h("header", {}, h("h2", { id }, title), aside), ...children);
}

/**
 * Calls `work` in an animation frame, at most once in `millis`, and once more after the last call. A page
 * that is hidden has no frames: it catches up when it is seen.
 */
export function throttle(work, millis, signal) {
  let timer, last = 0;
  signal?.addEventListener("abort", () => clearTimeout(timer));
  const run = () => { timer = undefined; last = Date.now(); if (!signal?.aborted) work(); };
  return () => {
    if (timer || signal?.aborted) return;
    timer = setTimeout(() => requestAnimationFrame(run), Math.max(0, last + millis - Date.now()));
  };
}

/** Calls `work` one at a time: if it is asked for meanwhile, however often, it is called once more afterwards. */
export function oneAtATime(work) {
  let running = null, again = false;
  async function run() {
    try {
      do { again = false; await work(); } while (again);
    } finally {
      running = null;
    }
  }
  return () => { again = true; return running ??= run(); };
}

/** Asks whether to do what can't be taken back. */
export function confirmed(question, yes) {
  return new Promise(resolve => {
    const dialog = h("dialog", { "aria-labelledby": "question" },
      h("h2", { id: "question" }, question), h("p", { class: "muted" }, "This can't be undone."),
      h("form", { method: "dialog" }, h("button", { value: "" }, "Cancel"), h("button", { value: "yes", class: "danger" }, yes)));
    dialog.addEventListener("close", () => { dialog.remove(); resolve(dialog.returnValue === "yes"); });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Calls `work` every `millis` while the page is seen, until the view is left. */
export function every(millis, signal, work) {
  const timer = setInterval(() => { if (!document.hidden) work(); }, millis);
  signal.addEventListener("abort", () => clearInterval(timer));
}
