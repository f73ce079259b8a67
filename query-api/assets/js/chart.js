// Small line charts.

import { s } from "./dom.js";

const WIDTH = 120, HEIGHT = 40;
const FEWEST = 20;

/** A line without axes, of the latest values. `push` adds one. */
export function sparkline(count, label) {
  const values = new Array(count).fill(null);
  const area = s("path", { class: "area" }), line = s("path", { class: "line" }), base = s("path", { class: "base", d: `M0 ${HEIGHT - 0.5}H${WIDTH}` });
  const element = s("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label }, base, area, line);
  function push(value) {
    values.push(value);
    values.shift();
    const top = Math.max(...values, 1e-9);
    const known = values.map((value, i) => [i, value]).filter(([, value]) => value !== null);
    // The first values take more room than they will have later.
    const steps = Math.max(FEWEST, known.length) - 1, place = i => ((i - (count - 1 - steps)) / steps * WIDTH).toFixed(1);
    const at = ([i, value]) => `${place(i)} ${(HEIGHT - 2 - value / top * (HEIGHT - 8)).toFixed(1)}`;
    const points = known.map(at).join("L");
    line.setAttribute("d", points && `M${points}`);
    const [from, to] = [known[0], known.at(-1)].map(point => point ? place(point[0]) : 0);
    area.setAttribute("d", points && `M${from} ${HEIGHT}L${points}L${to} ${HEIGHT}Z`);
  }
  return { element, push };
}
