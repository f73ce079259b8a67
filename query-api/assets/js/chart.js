// Small line charts.

import { s } from "./dom.js";

const WIDTH = 120, HEIGHT = 40;

/** A line without axes, of the latest values. `push` adds one. */
export function sparkline(count, label) {
  const values = new Array(count).fill(null);
  const area = s("path", { class: "area" }), line = s("path", { class: "line" });
  const element = s("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label }, area, line);
  function push(value) {
    values.push(value);
    values.shift();
    const top = Math.max(...values, 1e-9);
    const known = values.map((value, i) => [i, value]).filter(([, value]) => value !== null);
    const at = ([i, value]) => `${(i / (count - 1) * WIDTH).toFixed(1)} ${(HEIGHT - 2 - value / top * (HEIGHT - 8)).toFixed(1)}`;
    const points = known.map(at).join("L");
    line.setAttribute("d", points && `M${points}`);
    const [from, to] = [known[0], known.at(-1)].map(point => point ? (point[0] / (count - 1) * WIDTH).toFixed(1) : 0);
    area.setAttribute("d", points && `M${from} ${HEIGHT}L${points}L${to} ${HEIGHT}Z`);
  }
  return { element, push };
}
