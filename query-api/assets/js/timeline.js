// The events of an order, and a slider through the states that they led to.

import { isRepeatable, log } from "./api.js";
import { h, panel, replaceKeepingFocus, text, throttle } from "./dom.js";
import { WINDOW, eventsOf, version } from "./events.js";
import { dateTime, eventName, integer, status } from "./format.js";
import { itemsTable, moneyFacts } from "./order.js";
import { money } from "./money.js";
import { badge } from "./shapes.js";

/** While the slider is moved, the version under it is asked for so often. */
const LOOK_MILLIS = 100;
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

function entry(event, currency, choose) {
  const details = data(event, currency);
  return h("li", {}, h("button", { type: "button", "aria-pressed": "false", "data-version": version(event), onclick: () => choose(version(event)) },
    h("span", { class: "version" }, integer(version(event))),
    h("span", { class: "what" }, eventName(event.type)),
    h("time", { class: "when", datetime: event.time }, dateTime(event.time)),
    details && h("span", { class: "detail" }, details),
    h("span", { class: "detail" }, causes(event))));
}

/** The list of the events that are held, and buttons for those before and behind. */
function eventList(events, choose) {
  const element = h("ol", { class: "timeline" }), part = h("span", { class: "muted" }), drawn = new Map();
  const move = (id, name, by) => h("button", { type: "button", class: "small", id, onclick: () => events.move(by).then(() => draw(true)).catch(error => text(part, error.message)) }, name);
  const earlier = move("earlier", "Earlier events", -1), later = move("later", "Later events", 1);
  let chosen = null;
  const mark = wanted => {
    chosen = wanted;
    for (const [one, row] of drawn) row.firstChild.setAttribute("aria-pressed", String(one === wanted));
  };
  /** Rows that stay are left as they are, so that one that has the focus keeps it. */
  function draw(afresh = false) {
    const shown = events.shown(), [first, last] = [version(shown[0]), version(shown.at(-1))], focused = document.activeElement;
    const had = [element, earlier, later].some(one => one.contains(focused));
    for (const [one, row] of drawn) if (afresh || one < first || one > last) { row.remove(); drawn.delete(one); }
    for (const event of shown) {
      if (drawn.has(version(event))) continue;
      drawn.set(version(event), entry(event, events.currency, choose));
      element.append(drawn.get(version(event)));
    }
    earlier.hidden = first === 1;
    later.hidden = events.isNewest();
    text(part, earlier.hidden && later.hidden ? "from the log" : `${integer(first)} to ${integer(last)} of ${integer(events.last())}, from the log`);
    mark(chosen);
    if (!had || (focused.isConnected && !focused.hidden)) return;
    // What had the focus is gone: a button at the end of its way, or a row that made room.
    const next = focused.hidden && [earlier, later].find(one => !one.hidden);
    (next || element.querySelector("button")).focus({ preventScroll: true });
  }
  return { element, part, earlier, later, draw, mark };
}

export async function timeline(id, seen, signal) {
  const events = await eventsOf(id, seen, signal), currency = events.currency, states = new Map();
  let chosen = events.last();
  const slider = h("input", { type: "range", id: "version", min: 1, step: 1, "aria-label": "Version of the order" });
  const output = h("output", { for: "version" }), change = h("ul", { class: "diff", "aria-live": "polite" }), state = h("div");
  const note = h("p", { class: "note", id: "stale", role: "status", hidden: true });

  const at = async (wanted, own) => {
    if (wanted < 1) return null;
    if (!states.has(wanted)) {
      const found = await log(`/orders/${encodeURIComponent(id)}/state?version=${wanted}`, own);
      if (states.size >= WINDOW) states.delete(states.keys().next().value);
      states.set(wanted, found);
    }
    return states.get(wanted);
  };
  const difference = ([field, before, after, kind]) => h("li", {}, h("span", { class: "field" }, field.replaceAll("_", " ")), h("span", { class: "change" },
    before !== undefined && h("del", {}, words(kind, before, currency)), before !== undefined && h("span", { class: "muted", "aria-hidden": "true" }, "→"),
    after !== undefined ? h("ins", {}, words(kind, after, currency)) : h("span", { class: "muted" }, "removed")));

  /** What is being read: for which version, and how to end it. The version whose state is shown. */
  let reading = null, shown = null, isDue = false;
  /** Reads the chosen version. One that was chosen before is asked for no more, and its answer shown no more. */
  async function look() {
    const wanted = chosen;
    if (wanted === (reading?.wanted ?? shown)) return;
    reading?.end.abort();
    const mine = reading = { wanted, end: new AbortController() }, own = AbortSignal.any([signal, mine.end.signal]);
    try {
      const [before, after] = await Promise.all([at(wanted - 1, own), at(wanted, own)]);
      if (reading !== mine) return;
      const changes = differences(before, after);
      change.replaceChildren(...(changes.length ? changes.map(difference) : [h("li", { class: "muted alone" }, "Nothing that is shown here changed.")]));
      replaceKeepingFocus(state, [h("p", { class: "as-it-was" }, badge(after.status)), moneyFacts(after), itemsTable(after)]);
      shown = wanted;
      isDue = false;
    } catch (error) {
      if (reading !== mine || signal.aborted) return;
      change.replaceChildren(h("li", { class: "bad alone" }, `This state can't be read: ${error.message}`));
      replaceKeepingFocus(state, []);
      shown = null;
      isDue = isRepeatable(error);
    } finally {
      if (reading === mine) reading = null;
    }
  }
  const lookSoon = throttle(look, LOOK_MILLIS, signal);
  function show() {
    const event = events.shown().find(one => version(one) === chosen);
    slider.value = chosen;
    slider.setAttribute("aria-valuetext", event ? `Version ${chosen}: ${eventName(event.type)}` : `Version ${chosen}`);
    text(output, `${integer(chosen)} of ${integer(events.last())}`);
    list.mark(chosen);
    lookSoon();
  }
  const choose = wanted => { chosen = wanted; show(); };
  const list = eventList(events, choose);
  function draw() {
    slider.max = events.last();
    list.draw();
    show();
  }
  async function update() {
    const known = events.last();
    await events.catchUp();
    note.hidden = true;
    text(note, "");
    if (signal.aborted || events.last() === known) return lookSoon();
    if (chosen === known) chosen = events.last();
    draw();
  }
  slider.addEventListener("input", () => choose(Number(slider.value)));
  draw();
  const step = (by, label, sign) => h("button", { type: "button", "aria-label": label, onclick: () => choose(Math.min(events.last(), Math.max(1, chosen + by))) }, sign);
  const travel = h("div", { class: "travel" }, step(-1, "One version back", "‹"), slider, step(1, "One version on", "›"), output);
  /** Says that the newest events are not shown, and why. */
  function stale(why, isAskedAgain) {
    note.hidden = false;
    text(note, `What changed since can't be read from the log: ${why}${isAskedAgain ? " It is asked for again." : ""}`);
  }
  /** Reads the chosen version once more if that failed in a way that may pass. */
  const retry = () => { if (isDue) look(); };
  return { update, stale, retry, elements: [
    panel("Timeline", "half", list.part, note, list.earlier, list.element, list.later),
    panel("As it was", "half", h("span", { class: "muted" }, "after the chosen event"), travel, h("h3", { class: "visually-hidden" }, "What the event changed"), change, state),
  ] };
}
