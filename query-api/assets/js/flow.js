// A picture of the pipeline with live figures.

import { h, text } from "./dom.js";
import { integer } from "./format.js";

const STEPS = [
  ["api", "command-api", "decides"], ["log", "The log", "source of truth"], ["exchange", "Exchange", "fed by the relay"],
  ["projector", "Projector", "folds and applies"], ["views", "The views", "can be rebuilt"], ["query", "query-api", "answers, tells"],
];
const HEALER = "Healer: checks the views against the log";
const ARROWS = ["commits", "published", "delivered", "applied", "told"];

/** `set` gives a step its figure, `move` an arrow its own and whether it moves, `healed` says what the healer did. */
export function flow() {
  const figures = {}, arrows = {}, healer = h("p", { class: "healer" }, HEALER);
  const step = ([key, name, what]) => {
    figures[key] = h("span", { class: "now" });
    return h("div", { class: "step", "data-step": key }, h("b", {}, name), h("span", {}, what), figures[key]);
  };
  const arrow = key => {
    const figure = h("b", {}, "–"), name = h("span", {}, key);
    arrows[key] = { element: h("div", { class: "arrow", "data-arrow": key }, figure, h("i", { "aria-hidden": "true" }), name), figure, name };
    return arrows[key].element;
  };
  const parts = STEPS.flatMap((one, i) => i ? [arrow(ARROWS[i - 1]), step(one)] : [step(one)]);
  const element = h("div", { class: "flow" }, parts, healer);
  return {
    element,
    /** Without an exchange the projector reads the log itself. */
    direct(is) {
      element.classList.toggle("direct", is);
      for (const part of element.querySelectorAll("[data-step=exchange], [data-arrow=published]")) part.hidden = is;
    },
    set: (key, words) => text(figures[key], words),
    move(key, moves, words, name = key) {
      arrows[key].element.classList.toggle("moving", moves);
      text(arrows[key].figure, words);
      text(arrows[key].name, name);
    },
    /** Forgets what only the projector tells. */
    forget() {
      for (const key of ["log", "exchange", "projector"]) text(figures[key], "");
      for (const key of ["commits", "published", "delivered"]) this.move(key, false, "–");
      text(healer, HEALER);
    },
    healed({ checkpoint, head, repaired }) {
      const behind = Math.max(0, head - checkpoint);
      const parts = ["Healer: checked up to ", h("b", {}, integer(checkpoint)), behind ? `, ${integer(behind)} behind` : ", all of the log"];
      // A projector of an older build does not tell it.
      if (Number.isFinite(repaired)) parts.push("; ", h("b", {}, integer(repaired)), " repaired since these views were made");
      const words = parts.map(part => part.textContent ?? part).join("");
      if (healer.textContent !== words) healer.replaceChildren(...parts);
    },
  };
}
