// The pipeline itself: how far each part is, generations, and what could not be applied.

import { operate, operations } from "./api.js";
import { confirmed, every, h, panel, text } from "./dom.js";
import { flow } from "./flow.js";
import { dateTime, duration, integer, percent, rate, shortId } from "./format.js";
import { follow } from "./live.js";
import { bar } from "./shapes.js";
import { speed } from "./speed.js";
import { table } from "./table.js";

const TICK_MILLIS = 1_000;
const POLL_MILLIS = 2_000;
const SLOW_MILLIS = 5_000;
/** Changes are counted here, not shown. */
const MAX_PER_SECOND = 10;

function generationRow({ one, head }) {
  const states = [one.live && ["Live", "good"], one.building && ["Being made", "warn"], !one.live && !one.building && ["Left over", "created"]].filter(Boolean);
  const reached = one.building && one.progress ? one.progress.reached : one.checkpoint ?? 0;
  const share = head ? Math.min(1, reached / head) : 1;
  return h("tr", { "data-generation": one.id }, h("td", { class: "mono" }, one.id),
    h("td", {}, states.map(([name, colour]) => h("span", { class: "badge", "data-status": colour }, name))),
    h("td", { class: "num" }, integer(reached)), h("td", { class: "num" }, integer(Math.max(0, head - reached))),
    h("td", {}, h("div", { class: "progress" }, bar(share, one.building ? "warn" : "good"), h("span", { class: "lesser" }, percent(share))), one.progress?.outrun && h("span", { class: "bad" }, " The log grows faster.")),
    h("td", { class: "num" }, integer(one.parked)), h("td", { class: "num muted" }, dateTime(one.created_at)));
}

/** Gives the focus back where it was lost. */
function refocus(...elements) {
  if (document.activeElement && document.activeElement !== document.body) return;
  elements.find(one => one?.isConnected).focus({ preventScroll: true });
}

/** A button that does something at the operations API, and says how it went. While it does it keeps the focus. */
function action(name, label, classes, work, done, { said, look }) {
  const button = h("button", { type: "button", class: `small ${classes}`, "aria-label": label, "data-key": label }, name);
  button.addEventListener("click", async () => {
    if (button.ariaDisabled) return;
    button.ariaDisabled = "true";
    text(said, "");
    try {
      text(said, await work() === false ? "" : `${label}: ${done}.`);
    } catch (error) {
      text(said, `${label}: ${error.message}`);
    }
    button.ariaDisabled = null;
    await look();
    // Its row may have been made again, or be gone.
    refocus(button, document.querySelector(`[data-key="${CSS.escape(label)}"]`), document.getElementById("main"));
  });
  return button;
}

const parkedRow = tools => one => h("tr", {}, h("td", { class: "mono copy" }, one.stream), h("td", { class: "num" }, integer(one.version)),
  h("td", { class: "reason" }, one.reason), h("td", { class: "num muted" }, dateTime(one.at)),
  h("td", { class: "actions" }, action("Retry", `Retry ${one.stream}`, "", () => operate("POST", `/parked/${encodeURIComponent(one.stream)}/retry`), "applied", tools)));

async function discard(id) {
  if (!await confirmed("Discard this message?", "Discard")) return false;
  return operate("DELETE", `/dead-letters/${encodeURIComponent(id)}`);
}

const letterRow = tools => one => h("tr", {}, h("td", { class: "mono", title: one.id }, shortId(one.id)), h("td", { class: "reason" }, one.reason),
  h("td", { class: "copy" }, h("code", {}, one.text.slice(0, 200))), h("td", { class: "num muted" }, one.at ? dateTime(one.at) : "–"),
  h("td", { class: "actions" }, action("Discard", `Discard ${one.id}`, "danger", () => discard(one.id), "gone", tools)));

/** A table of the first page of a list, and a line that says how many of it are shown where there are more. */
function firstPage(name, words, rows) {
  const count = h("span", { class: "muted", id: `${name}-count` }, words);
  return {
    ...rows, count,
    show({ items, total }, row) {
      rows.set(items, row);
      text(count, items.length < total ? `${words}; ${integer(items.length)} of ${integer(total)} are shown` : words);
    },
  };
}

function layout() {
  const picture = flow(), said = h("p", { class: "muted", role: "status" }), away = h("div"), rebuild = h("span", { class: "end" });
  const generations = table("Generations of views", ["Generation", "State", "#Reached", "#Behind", "Of the log", "#Parked", "#Begun"], "There are no views yet.");
  const parked = firstPage("parked", "could not be applied; the rest goes on", table("Parked streams", ["Stream", "#Version", "Reason", "#Since", ""], "Nothing is parked: every event could be applied."));
  const letters = firstPage("letters", "messages that are no events", table("Dead letters", ["Id", "Reason", "Message", "#Since", ""], "There are none: every message was an event."));
  const operated = [
    panel("Generations of views", "", h("span", { class: "muted" }, "a new one is made beside the live one"), generations.element),
    panel("Parked streams", "", parked.count, parked.element), panel("Dead letters", "", letters.count, letters.element)];
  const main = [h("div", { class: "heading" }, h("h1", {}, "Pipeline"), said, rebuild), away,
    h("div", { class: "grid" }, panel("From command to answer", "", h("span", { class: "muted" }, "figures of the last seconds"), picture.element), operated)];
  return { main, picture, said, away, rebuild, generations, parked, letters, operated };
}

/** The figures of the projector's `/flow`. Rates are taken from look to look. */
function figures(picture) {
  const [committed, published] = [speed(), speed()];
  return found => {
    committed.sample(found.head);
    picture.move("commits", committed.last() > 0, `${rate(committed.mean())}/s`);
    picture.set("log", `position ${integer(found.head)}`);
    picture.direct(found.published === null);
    if (found.published === null) {
      picture.move("delivered", committed.last() > 0, `${rate(committed.mean())}/s`, "read");
    } else {
      published.sample(found.published);
      picture.move("published", published.last() > 0, `${rate(published.mean())}/s`);
      picture.move("delivered", published.last() > 0, integer(found.waiting ?? 0), "waiting");
      picture.set("exchange", `position ${integer(found.published)}`);
    }
    if (found.checkpoint === null) return picture.set("projector", "no live views");
    picture.set("projector", `${integer(Math.max(0, found.head - found.checkpoint))} behind`);
    picture.healed(found);
  };
}

export async function pipeline(main, { signal }) {
  const { main: parts, picture, said, away, rebuild, generations, parked, letters, operated } = layout();
  main.append(...parts);
  const [applied, told] = [speed(), speed()], show = figures(picture);
  let position = null, changes = 0, looking = false;

  async function look() {
    if (looking) return;
    looking = true;
    try {
      const [found, { items, head }] = await Promise.all([operations("/flow", signal), operations("/generations", signal)]);
      show(found);
      generations.set(items.map(one => ({ one, head })), generationRow);
      away.replaceChildren();
      [...operated, rebuild].forEach(one => { one.hidden = false; });
    } catch (error) {
      if (signal.aborted) return;
      const hadFocus = [...operated, rebuild].some(one => one.contains(document.activeElement));
      [...operated, rebuild].forEach(one => { one.hidden = true; });
      if (hadFocus) document.getElementById("main").focus({ preventScroll: true });
      picture.forget();
      if (!away.firstChild) away.append(h("p", { class: "note", id: "no-operations" }));
      text(away.firstChild, `The projector's operations can't be asked from here: ${error.message} What the views tell is shown.`);
    } finally {
      looking = false;
    }
  }
  async function lookAtTroubles() {
    const tools = { said, look: lookAtTroubles };
    const ask = (path, into, row) => operations(path, signal).then(page => into.show(page, row(tools))).catch(error => signal.aborted || into.fail(error.message));
    await Promise.all([ask("/parked", parked, parkedRow), ask("/dead-letters", letters, letterRow)]);
  }
  rebuild.append(action("Make new views", "Make new views", "", () => operate("POST", "/rebuild"), "begun", { said, look }));
  follow({ data: "none", max_per_second: MAX_PER_SECOND }, {
    view: () => { changes += 1; },
    skipped: ({ views }) => { changes += views; },
    checkpoint: checkpoint => {
      position = checkpoint.applied;
      picture.set("views", `checkpoint ${integer(checkpoint.position)}`);
      if (checkpoint.lag_ms !== null) picture.set("query", `lag ${duration(checkpoint.lag_ms).join(" ")}`);
    },
    refresh: look,
  }, signal);
  every(TICK_MILLIS, signal, () => {
    if (document.getElementById("connection").dataset.state !== "live") {
      // What the views do meanwhile is not known: no sample says that they stand still.
      position = null;
      for (const arrow of ["applied", "told"]) picture.move(arrow, false, "–");
      return;
    }
    if (position !== null) applied.sample(position);
    told.sample(changes);
    picture.move("applied", applied.last() > 0, `${rate(applied.mean())}/s`);
    picture.move("told", told.last() > 0, `${rate(told.mean())}/s`);
  });
  every(POLL_MILLIS, signal, look);
  every(SLOW_MILLIS, signal, lookAtTroubles);
  await Promise.all([look(), lookAtTroubles()]);
}
