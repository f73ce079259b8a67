// How fast a number that only grows has grown lately.

/** Remembers samples of the last `millis`. `mean` is per second over the last `window` milliseconds. */
export function speed(millis = 60_000, window = 5_000) {
  const seen = [];
  const since = wanted => seen.findLast(([at]) => at <= performance.now() - wanted) ?? seen[0];
  const growth = (from, to) => from && to && to[0] > from[0] ? Math.max(0, to[1] - from[1]) / (to[0] - from[0]) * 1_000 : 0;
  return {
    sample(total) {
      seen.push([performance.now(), total]);
      while (seen[0][0] < performance.now() - millis - 2_000) seen.shift();
    },
    last: () => growth(seen.at(-2), seen.at(-1)),
    mean: () => growth(since(window), seen.at(-1)),
    /** Seconds that are known, up to those of `millis`. */
    seconds: () => seen.length ? Math.round(Math.min(millis, seen.at(-1)[0] - seen[0][0]) / 1_000) : 0,
    /** By how much it has grown in them. */
    grown: () => seen.length ? Math.max(0, seen.at(-1)[1] - since(millis)[1]) : 0,
  };
}
