// A picture of the pipeline with live figures.

import { s, text } from "./dom.js";

const BOXES = [["command-api", "takes commands"], ["The log", "source of truth"], ["Relay", "in log order"], ["Projector", "folds and applies"], ["The views", "can be rebuilt"], ["query-api", "answers, tells"]];
const ARROWS = ["append", "follow", "deliver", "apply", "read"];
const [WIDTH, HEIGHT, STEP, DOWN] = [150, 74, 222, 118];

function picture(vertical, figures, rates) {
  const place = i => vertical ? [95, 8 + i * DOWN] : [8 + i * STEP, 4];
  const box = ([name, what], i) => {
    const [x, y] = place(i), value = s("text", { class: "dim", x: x + 14, y: y + 62 });
    figures[i].push(value);
    return s("g", {}, s("rect", { x, y, width: WIDTH, height: HEIGHT, rx: 8 }), s("text", { x: x + 14, y: y + 25, class: "name" }, name), s("text", { x: x + 14, y: y + 43, class: "dim" }, what), value);
  };
  const arrow = (name, i) => {
    const [x, y] = place(i), value = s("text", { class: "rate" });
    const [from, to] = vertical ? [[x + WIDTH / 2, y + HEIGHT], [x + WIDTH / 2, y + DOWN - 4]] : [[x + WIDTH, y + HEIGHT / 2], [x + STEP - 4, y + HEIGHT / 2]];
    const head = vertical ? `M${to[0] - 5} ${to[1] - 6}h10l-5 8z` : `M${to[0] - 6} ${to[1] - 5}v10l8 -5z`;
    const [tx, ty] = vertical ? [from[0] + 56, (from[1] + to[1]) / 2 + 4] : [(from[0] + to[0]) / 2, y + HEIGHT / 2 - 12];
    value.setAttribute("x", tx);
    value.setAttribute("y", ty);
    const label = vertical ? null : s("text", { x: tx, y: ty + 34, class: "dim", "text-anchor": "middle" }, name);
    const group = s("g", {}, s("path", { class: "arrow", d: `M${from}L${to}` }), s("path", { class: "head", d: head }), value, label);
    rates[i].push([group, value]);
    return group;
  };
  const size = vertical ? `0 0 340 ${8 + 5 * DOWN + HEIGHT + 8}` : `0 0 ${16 + 5 * STEP + WIDTH} 82`;
  return s("svg", { class: `flow ${vertical ? "flow-small" : "flow-wide"}`, viewBox: size, role: "img", "aria-label": "From the command to the answer: command-api, log, relay, projector, views, query-api" },
    ARROWS.map(arrow), BOXES.map(box));
}

/** The picture, wide and for a phone; `set` gives a box its figure, `move` an arrow its rate. */
export function flow() {
  const figures = BOXES.map(() => []), rates = ARROWS.map(() => []);
  return {
    elements: [picture(false, figures, rates), picture(true, figures, rates)],
    set: (box, words) => figures[box].forEach(element => text(element, words)),
    move: (arrow, perSecond, words) => rates[arrow].forEach(([group, value]) => {
      group.setAttribute("class", perSecond > 0 ? "moving" : "");
      text(value, words);
    }),
  };
}
