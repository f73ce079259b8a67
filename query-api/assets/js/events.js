// The events of an order, of which a part is held at a time, however many there are.

import { log } from "./api.js";

/** Events that are held, and shown, at most. */
export const WINDOW = 200;

export const version = event => Number(event.sequence);

/** The events behind a version, up to `WINDOW` of them. An answer may have fewer than there are. */
async function read(path, after, signal) {
  const events = [];
  while (after !== null && events.length < WINDOW) {
    const page = await log(`${path}/events?limit=${WINDOW - events.length}&after=${after}`, signal);
    events.push(...page.events);
    after = page.next;
  }
  return events;
}

/** Begins with the newest events. `seen` is a version that the order has reached; from 0 all events are read once. */
export async function eventsOf(id, seen, signal) {
  const path = `/orders/${encodeURIComponent(id)}`, [first] = (await log(`${path}/events?limit=1&after=0`, signal)).events;
  let shown = seen > WINDOW ? await read(path, seen - WINDOW, signal) : [];
  if (!shown.length) shown = await read(path, 0, signal);
  let last = version(shown.at(-1));
  const window = {
    currency: first?.data.currency,
    /** Those that are held: no version between them is missing. */
    shown: () => shown,
    first: () => version(shown[0]),
    /** The newest version, whether or not its event is held. */
    last: () => last,
    isNewest: () => version(shown.at(-1)) === last,
    /** Reads what came since, and nothing else. The newest events take the place of the oldest. */
    async catchUp() {
      let next;
      do {
        next = await read(path, last, signal);
        if (window.isNewest()) shown = [...shown, ...next].slice(-WINDOW);
        if (next.length) last = version(next.at(-1));
      } while (next.length === WINDOW);
    },
    /** Holds as many others: those before, or those behind. */
    async move(by) {
      const from = Math.max(1, Math.min(window.first() + by * WINDOW, last - WINDOW + 1));
      shown = await read(path, from - 1, signal);
    },
  };
  if (shown.length === WINDOW) await window.catchUp();
  return window;
}
