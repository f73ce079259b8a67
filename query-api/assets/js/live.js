// Changes as they happen. The browser itself resumes a stream that was cut off, from the last event.

import { readSession, signsIn, whenUnread, withQuery } from "./api.js";
import { text } from "./dom.js";

const RETRY_MILLIS = 2_000;
/**
 * A page that is hidden so long gives its stream up, and resumes it when it is seen again: a browser opens six connections
 * to a server at most, for all of its pages together.
 */
const HIDDEN_MILLIS = 10_000;
/** A stream that tells nothing for so long is dead: of a silent one the service says every 15 s that it is alive. */
const SILENT_MILLIS = 40_000;
/** What could not be read is read again after about so long, and each time after twice as long, up to the latter. */
const REREAD_MILLIS = 1_000, MAX_REREAD_MILLIS = 30_000;

/** Says in the header of the page whether what it shows is live. `state` is `live`, `cut`, `connecting` or `none`. */
export function tell(state, words, more = "") {
  const element = document.getElementById("connection");
  element.dataset.state = state;
  text(document.getElementById("connection-text"), words);
  text(document.getElementById("connection-more"), more);
}

/** Calls `work` after a failure, later each time until there was none for long. */
function backoff(work) {
  let timer, failures = 0, latest = 0;
  return {
    failed() {
      if (timer) return;
      if (Date.now() - latest > 4 * MAX_REREAD_MILLIS) failures = 0;
      latest = Date.now();
      const millis = Math.min(MAX_REREAD_MILLIS, REREAD_MILLIS * 2 ** failures++);
      // Pages that failed together do not come back together.
      timer = setTimeout(() => { timer = undefined; work(); }, millis * (0.5 + Math.random() / 2));
    },
    end() { clearTimeout(timer); timer = undefined; },
  };
}

/**
 * Opens a stream until the view is left. `on.view` gets each changed view, `on.checkpoint` how far the views are, and
 * `on.skipped` how many changes were left out of more than `max_per_second`. `on.refresh` says that what is shown has to be
 * read afresh: whenever the stream is there, as it tells nothing of what changed between an earlier read and then; and after
 * a while when a read with this `signal` has failed. `on.cut` says that nothing is told any more, until the next `on.refresh`.
 */
export function follow(filter, on, signal) {
  if (signal.aborted) return;
  let source, last, opening, silence, hiding, isOpen = false;
  const unread = backoff(() => { if (isOpen) on.refresh?.(); });
  function close() {
    clearTimeout(opening);
    clearTimeout(silence);
    unread.end();
    source?.close();
    isOpen = false;
  }
  function cut() {
    isOpen = false;
    on.cut?.();
    tell("cut", "Cut off", ", reconnecting");
  }
  /** It may be silent for so long from now on. */
  function heard() {
    clearTimeout(silence);
    silence = setTimeout(() => { close(); cut(); open(); }, SILENT_MILLIS);
  }
  const listen = (name, work) => source.addEventListener(name, event => {
    heard();
    last = event.lastEventId || last;
    work?.(JSON.parse(event.data));
  });
  function open() {
    source = new EventSource(withQuery("/live", { ...filter, after: last }));
    heard();
    listen("view", on.view);
    listen("checkpoint", on.checkpoint);
    listen("skipped", on.skipped);
    listen("reset", on.refresh);
    listen("alive");
    source.addEventListener("open", () => {
      heard();
      isOpen = true;
      tell("live", "Live");
      on.refresh?.();
    });
    source.addEventListener("error", () => {
      if (signal.aborted) return;
      cut();
      // After an answer that is no stream the browser does not try again by itself.
      if (source.readyState !== EventSource.CLOSED) return;
      close();
      opening = setTimeout(open, RETRY_MILLIS);
      // It does not say why there was none.
      signsIn().then(asks => asks && readSession()).catch(() => {});
    });
  }
  function pause() {
    close();
    source = undefined;
    on.cut?.();
    tell("connecting", "Paused");
  }
  const resume = () => { if (!source && !document.hidden) open(); };
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiding);
    if (document.hidden) hiding = setTimeout(pause, HIDDEN_MILLIS);
    else resume();
  }, { signal });
  // A page that is left is kept by the browser, with its streams.
  addEventListener("pagehide", pause, { signal });
  addEventListener("pageshow", resume, { signal });
  whenUnread(signal, () => { if (isOpen) unread.failed(); });
  signal.addEventListener("abort", () => { clearTimeout(hiding); close(); tell("connecting", "Connecting"); });
  // One that begins hidden, as a tab that is opened in the background, waits until it is seen.
  if (document.hidden) return pause();
  tell("connecting", "Connecting");
  open();
}
