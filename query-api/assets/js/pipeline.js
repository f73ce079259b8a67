// The pipeline itself: how far each part is, generations, and what could not be applied.

import { operate, operations } from "./api.js";
import { every, h, panel, text } from "./dom.js";
import { flow } from "./flow.js";
import { dateTime, duration, integer, rate } from "./format.js";
import { follow } from "./live.js";
import { bar } from "./shapes.js";

const SLOW_MILLIS = 5_000;

/** Columns of numbers have a `#` in front of their name. */
function table(caption, head, rows, none) {
  if (!rows.length) return h("p", { class: "empty" }, none);
  const column = name => h("th", { scope: "col", class: name.startsWith("#") && "num" }, name.replace("#", ""));
  return h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": caption }, h("table", {},
    h("thead", {}, h("tr", {}, head.map(column))), h("tbody", {}, rows)));
}

function generationRow(one, head) {
  const states = [one.live && ["live", "good"], one.building && ["being made", "warn"], !one.live && !one.building && ["left over", "created"]].filter(Boolean);
  const reached = one.checkpoint ?? one.progress?.reached ?? 0;
  const shares = one.building && one.progress ? one.progress.reached / Math.max(1, one.progress.head) : head ? reached / head : 1;
  return h("tr", { "data-generation": one.id }, h("td", { class: "mono" }, one.id),
    h("td", {}, states.map(([name, colour]) => h("span", { class: "badge", "data-status": colour }, name))),
    h("td", { class: "num" }, integer(reached)), h("td", { class: "num" }, integer(Math.max(0, head - reached))),
    h("td", {}, bar(shares, one.building ? "warn" : "good"), one.progress?.outrun && h("span", { class: "bad" }, "the log grows faster")),
    h("td", { class: "num" }, integer(one.parked)), h("td", { class: "num" }, dateTime(one.created_at)));
}

/** A button that does something at the operations API and says how it went. */
function action(name, label, work, done, said) {
  const button = h("button", { type: "button", "aria-label": label }, name);
  button.addEventListener("click", async () => {
    button.disabled = true;
    text(said, "");
    try {
      await work();
      text(said, `${label}: done.`);
    } catch (error) {
      text(said, `${label}: ${error.message}`);
    }
    button.disabled = false;
    done();
  });
  return button;
}

const parkedRow = (one, done, said) => h("tr", {}, h("td", { class: "mono copy" }, one.stream), h("td", { class: "num" }, integer(one.version)),
  h("td", { class: "reason" }, one.reason), h("td", { class: "num" }, dateTime(one.at)),
  h("td", { class: "actions" }, action("Retry", `Retry ${one.stream}`, () => operate("POST", `/parked/${encodeURIComponent(one.stream)}/retry`), done, said)));

const letterRow = (one, done, said) => h("tr", {}, h("td", { class: "mono" }, one.id.slice(0, 8)), h("td", { class: "reason" }, one.reason),
  h("td", { class: "copy" }, h("code", {}, one.text.slice(0, 200))), h("td", { class: "num" }, one.at ? dateTime(one.at) : "–"),
  h("td", { class: "actions" }, action("Discard", `Discard ${one.id}`, () => confirm("Remove this message for good?") ? operate("DELETE", `/dead-letters/${one.id}`) : Promise.reject(new Error("left as it is")), done, said)));

/** How fast positions grow, from look to look. */
function growth() {
  let last = null;
  return (position, time = performance.now()) => {
    const speed = last && time > last[1] ? Math.max(0, (position - last[0]) / (time - last[1]) * 1_000) : 0;
    last = [position, time];
    return speed;
  };
}

export async function pipeline(main, { signal }) {
  const picture = flow(), generations = h("div"), parked = h("div"), letters = h("div"), said = h("p", { class: "muted", role: "status" }), away = h("div");
  const behind = [panel("Generations of views", "", null, generations), panel("Parked streams", "", h("span", { class: "muted" }, "could not be applied; the rest goes on"), parked),
    panel("Dead letters", "", h("span", { class: "muted" }, "messages that are no events"), letters)];
  main.append(h("div", { class: "heading" }, h("h1", {}, "Pipeline"), said), away,
    h("div", { class: "grid" }, panel("From the command to the answer", "", null, picture.elements), behind));
  const [appended, moved, told] = [growth(), growth(), growth()];
  let applied = 0, changes = 0;

  async function look() {
    try {
      const { items, head } = await operations("/generations", signal);
      generations.replaceChildren(table("Generations", ["Generation", "State", "#Checkpoint", "#Behind", "Made so far", "#Parked", "#Begun"], items.map(one => generationRow(one, head)), "There are no views yet."));
      const live = items.find(one => one.live), speed = appended(head);
      picture.set(1, `head ${integer(head)}`);
      picture.set(3, live ? `${integer(Math.max(0, head - live.checkpoint))} behind` : "no live views");
      picture.set(4, live ? `checkpoint ${integer(live.checkpoint)}` : "being made");
      for (const arrow of [0, 1, 2]) picture.move(arrow, speed, `${rate(speed)}/s`);
      away.replaceChildren();
      behind.forEach(one => { one.hidden = false; });
    } catch (error) {
      if (signal.aborted) return;
      behind.forEach(one => { one.hidden = true; });
      away.replaceChildren(h("p", { class: "note" }, `The projector's operations can't be asked from here: ${error.message} What the views tell is shown.`), h("br"));
    }
  }
  async function lookAtTroubles() {
    const ask = (path, place, show) => operations(path, signal).then(page => place.replaceChildren(show(page)))
      .catch(error => signal.aborted || place.replaceChildren(h("p", { class: "empty" }, error.message)));
    await Promise.all([
      ask("/parked", parked, page => table("Parked streams", ["Stream", "#Version", "Reason", "#Since", ""], page.items.map(one => parkedRow(one, lookAtTroubles, said)), "Nothing is parked.")),
      ask("/dead-letters", letters, page => table("Dead letters", ["Id", "Reason", "Message", "#Since", ""], page.items.map(one => letterRow(one, lookAtTroubles, said)), "There are none.")),
    ]);
  }
  follow({ data: "none" }, {
    view: () => { changes += 1; },
    checkpoint: checkpoint => {
      applied = checkpoint.applied;
      picture.set(4, `checkpoint ${integer(checkpoint.position)}`);
      if (checkpoint.lag_ms !== null) picture.set(5, `lag ${duration(checkpoint.lag_ms).join(" ")}`);
    },
    refresh: look,
  }, signal);
  every(1_000, signal, () => {
    const [views, events] = [moved(applied), told(changes)];
    picture.move(3, views, `${rate(views)}/s`);
    picture.move(4, events, `${rate(events)}/s`);
    look();
  });
  every(SLOW_MILLIS, signal, lookAtTroubles);
  picture.set(0, "acknowledges");
  picture.set(2, "a queue each");
  await Promise.all([look(), lookAtTroubles()]);
}
