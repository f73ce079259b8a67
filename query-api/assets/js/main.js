// Finds the view that the address names, and shows it.

import { isRepeatable, Problem } from "./api.js";
import { h } from "./dom.js";
import { now } from "./now.js";
import { session } from "./session.js";

const views = {
  "": { name: "now", title: "Now", load: async () => now },
  history: { name: "history", title: "History", load: async () => (await import("./history.js")).history },
  find: { name: "find", title: "Find", load: async () => (await import("./find.js")).find },
  orders: { name: "find", title: "Order", load: async () => (await import("./order.js")).order },
  customers: { name: "find", title: "Customer", load: async () => (await import("./customer.js")).customer },
  pipeline: { name: "pipeline", title: "Pipeline", load: async () => (await import("./pipeline.js")).pipeline },
};

/** A view that could not be begun is tried again after so long, and each time after twice as long, up to the latter. */
const RETRY_MILLIS = 2_000, MAX_RETRY_MILLIS = 30_000;

let current = new AbortController();
let isLeft = false;

/** A part of the address, which a link has encoded; one that can't be decoded was typed, and stands for itself. */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

async function show(focus, retry = RETRY_MILLIS) {
  if (isLeft) return; // A token is asked for.
  const [path, search = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [first, id] = path.split("/").map(decoded);
  const view = Object.hasOwn(views, first) ? views[first] : views[""];
  current.abort();
  current = new AbortController();
  const { signal } = current;
  for (const link of document.querySelectorAll("[data-view]")) {
    if (link.dataset.view === view.name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = id ? `${view.title} ${id} · Waybill` : `${view.title} · Waybill`;
  const main = document.getElementById("main");
  main.replaceChildren();
  if (focus) { main.focus({ preventScroll: true }); scrollTo(0, 0); }
  try {
    const render = await view.load();
    if (signal.aborted) return; // Another view was chosen meanwhile, or a token is asked for.
    await render(main, { id, parameters: new URLSearchParams(search), signal });
  } catch (error) {
    if (signal.aborted) return;
    main.append(h("p", { class: "note", role: "alert" }, `This can't be shown: ${error.message}`));
    if (error instanceof Problem && !isRepeatable(error)) return;
    const timer = setTimeout(() => show(false, Math.min(2 * retry, MAX_RETRY_MILLIS)), retry);
    signal.addEventListener("abort", () => clearTimeout(timer));
  }
}

// The skip link goes to the content, not to a view.
document.querySelector(".skip").addEventListener("click", event => {
  event.preventDefault();
  document.getElementById("main").focus();
});
addEventListener("hashchange", () => show(true));
show(false);
session(() => { isLeft = true; current.abort(); }, () => { isLeft = false; show(true); });
