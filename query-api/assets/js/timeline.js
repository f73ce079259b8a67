// The events of an order, and a slider through the states that they led to.

import { log } from "./api.js";
import { h, panel, text } from "./dom.js";
import { dateTime, eventName, integer, status } from "./format.js";
import { itemsTable, moneyFacts } from "./order.js";
import { money } from "./money.js";
import { badge } from "./shapes.js";

/** What the page says elsewhere. */
const KNOWN = ["order_id", "customer_id", "currency"];
const AMOUNTS = ["total", "paid", "refunded", "unit_price", "amount"];

function words(field, value, currency) {
  if (value === undefined || value === null) return "–";
  if (AMOUNTS.includes(field) && typeof value === "number" && currency) return money(value, currency);
  if (field === "status") return status(value);
  if (field?.endsWith("_at")) return dateTime(value);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** What differs between two states: field, before, after. */
export function differences(before, after) {
  const changes = [];
  for (const field of ["status", "total", "paid", "refunded"]) {
    if (before?.[field] !== after[field]) changes.push([field, before?.[field], after[field], field]);
  }
  const items = state => new Map((state?.items ?? []).map(item => [item.sku, item]));
  const [old, current] = [items(before), items(after)];
  for (const [sku, item] of current) {
    const known = old.get(sku);
    if (!known) { changes.push([`item ${sku}`, undefined, `${integer(item.quantity)} × ${item.name}`]); continue; }
    for (const field of ["quantity", "unit_price", "shipped", "delivered"]) {
      if (known[field] !== item[field]) changes.push([`${sku} ${field.replace("_", " ")}`, known[field], item[field], field]);
    }
  }
  for (const [sku, item] of old) if (!current.has(sku)) changes.push([`item ${sku}`, `${integer(item.quantity)} × ${item.name}`, undefined]);
  return changes;
}

/** Who, and why: what an event says of the request that led to it. */
function causes(event) {
  const parts = [["by", event.actor ?? "an unnamed client"], ["caused by", event.causationid], ["correlation", event.correlationid]].filter(([, value]) => value);
  return parts.flatMap(([name, value], i) => [i > 0 && " · ", `${name} `, h("b", {}, value)]);
}

function data(event, currency) {
  const simple = Object.entries(event.data).filter(([field, value]) => !KNOWN.includes(field) && value !== null && typeof value !== "object");
  return simple.map(([field, value]) => `${field.replaceAll("_", " ")} ${words(field, value, currency)}`).join(" · ");
}

const version = event => Number(event.sequence);

function entry(event, currency, choose) {
  const details = data(event, currency);
  return h("li", {}, h("button", { type: "button", "aria-pressed": "false", "data-version": version(event), onclick: () => choose(version(event)) },
    h("span", { class: "version" }, integer(version(event))),
    h("span", { class: "what" }, eventName(event.type)),
    h("time", { class: "when", datetime: event.time }, dateTime(event.time)),
    details && h("span", { class: "detail" }, details),
    h("span", { class: "detail" }, causes(event))));
}

export function timeline(id, first, signal) {
  let events = first, chosen = version(first.at(-1));
  const currency = first[0].data.currency, states = new Map();
  const list = h("ol", { class: "timeline" });
  const slider = h("input", { type: "range", id: "version", min: 1, step: 1, "aria-label": "Version of the order" });
  const output = h("output", { for: "version" }), change = h("ul", { class: "diff", "aria-live": "polite" }), state = h("div");

  const at = async wanted => {
    if (wanted < 1) return null;
    if (!states.has(wanted)) {
      const found = await log(`/orders/${encodeURIComponent(id)}/state?version=${wanted}`, signal);
      states.set(wanted, found);
    }
    return states.get(wanted);
  };
  const difference = ([field, before, after, kind]) => h("li", {}, h("span", { class: "field" }, field.replaceAll("_", " ")), h("span", { class: "change" },
    before !== undefined && h("del", {}, words(kind, before, currency)), before !== undefined && h("span", { class: "muted", "aria-hidden": "true" }, "→"),
    after !== undefined ? h("ins", {}, words(kind, after, currency)) : h("span", { class: "muted" }, "removed")));

  async function show() {
    const wanted = chosen;
    slider.value = wanted;
    slider.setAttribute("aria-valuetext", `Version ${wanted}: ${eventName(events[wanted - 1]?.type ?? "Unknown")}`);
    text(output, `${integer(wanted)} of ${integer(events.length)}`);
    for (const button of list.querySelectorAll("button")) button.setAttribute("aria-pressed", String(Number(button.dataset.version) === wanted));
    try {
      const [before, after] = await Promise.all([at(wanted - 1), at(wanted)]);
      if (wanted !== chosen) return; // Another one was chosen meanwhile.
      const changes = differences(before, after);
      change.replaceChildren(...(changes.length ? changes.map(difference) : [h("li", { class: "muted alone" }, "Nothing that is shown here changed.")]));
      state.replaceChildren(h("p", { class: "as-it-was" }, badge(after.status)), moneyFacts(after), itemsTable(after));
    } catch (error) {
      if (!signal.aborted) change.replaceChildren(h("li", { class: "bad alone" }, `This state can't be read: ${error.message}`));
    }
  }
  const choose = wanted => { chosen = wanted; show(); };
  function update(next) {
    const atEnd = chosen === version(events.at(-1));
    events = next;
    slider.max = version(events.at(-1));
    list.replaceChildren(...events.map(event => entry(event, currency, choose)));
    choose(atEnd ? version(events.at(-1)) : chosen);
  }
  slider.addEventListener("input", () => choose(Number(slider.value)));
  update(first);
  const step = (by, label, sign) => h("button", { type: "button", "aria-label": label, onclick: () => choose(Math.min(events.length, Math.max(1, chosen + by))) }, sign);
  const travel = h("div", { class: "travel" }, step(-1, "One version back", "‹"), slider, step(1, "One version on", "›"), output);
  return { update, elements: [
    panel("Timeline", "half", h("span", { class: "muted" }, "from the log"), list),
    panel("As it was", "half", h("span", { class: "muted" }, "after the chosen event"), travel, h("h3", { class: "visually-hidden" }, "What the event changed"), change, state),
  ] };
}
