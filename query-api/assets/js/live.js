// Changes as they happen. The browser itself resumes a stream that was cut off, from the last event.

import { withQuery } from "./api.js";
import { text } from "./dom.js";

const RETRY_MILLIS = 2_000;

function tell(state, words) {
  const element = document.getElementById("connection");
  element.dataset.state = state;
  text(document.getElementById("connection-text"), words);
}

/**
 * Opens a stream until the view is left. `on.view` gets each changed view, `on.checkpoint` how far the
 * views are, and `on.refresh` says that what is shown has to be read afresh.
 */
export function follow(filter, on, signal) {
  let source, last, timer, wasCut = false;
  const close = () => { clearTimeout(timer); source?.close(); };
  const listen = (name, work) => source.addEventListener(name, event => {
    last = event.lastEventId || last;
    work?.(JSON.parse(event.data));
  });
  function open() {
    source = new EventSource(withQuery("/live", { ...filter, after: last }));
    listen("view", on.view);
    listen("checkpoint", on.checkpoint);
    listen("reset", on.refresh);
    source.addEventListener("open", () => {
      tell("live", "Live");
      if (wasCut) on.refresh?.();
      wasCut = false;
    });
    source.addEventListener("error", () => {
      if (signal.aborted) return;
      wasCut = true;
      tell("cut", "Cut off, reconnecting");
      // After an answer that is no stream the browser does not try again by itself.
      if (source.readyState === EventSource.CLOSED) timer = setTimeout(open, RETRY_MILLIS);
    });
  }
  tell("connecting", "Connecting");
  open();
  signal.addEventListener("abort", close);
}
