// Asking the services.

/** An answer that is no success: what the service says, for people. */
export class Problem extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/** Whether the same question may be answered later: no answer came, the service failed, or it asks for patience. */
export const isRepeatable = error => error instanceof Problem && (error.status < 400 || error.status === 429 || error.status >= 500);

const SIGNED_OUT = "signed-out";
const UNREAD = "unread";
/** What is read is there by then, or is taken to have failed: a connection can be dead without a word. */
const READ_MILLIS = 15_000;

/** Calls `work` whenever query-api asks for a token that the page has not, or has no more. */
export const whenSignedOut = work => document.addEventListener(SIGNED_OUT, work);

/** Asks, and reads the answer as JSON. Only what is read ends by itself: of anything else the outcome would not be known. */
async function ask(url, options = {}) {
  const late = options.method ? null : AbortSignal.timeout(READ_MILLIS);
  const signal = late && options.signal ? AbortSignal.any([options.signal, late]) : late ?? options.signal;
  const failed = error => options.signal?.aborted ? error : new Problem(0, late?.aborted ? "It does not answer in time." : "It can't be reached.");
  let answer, body;
  try {
    answer = await fetch(url, { ...options, signal });
    if (answer.status === 204) return null;
    body = await answer.json().catch(error => {
      if (error instanceof SyntaxError) return {};
      throw error;
    });
  } catch (error) {
    throw failed(error);
  }
  if (!answer.ok) throw new Problem(answer.status, body.detail ?? answer.statusText);
  return body;
}

/** Asks query-api, which alone signs the page in and out. */
async function own(path, options) {
  try {
    return await ask(path, options);
  } catch (error) {
    if (error.status === 401) document.dispatchEvent(new Event(SIGNED_OUT));
    throw error;
  }
}

let configuration;
/** What the page has to know; where that can't be read, it is asked for again when it is needed next. */
const configured = () => configuration ??= ask("/config.json").catch(() => { configuration = undefined; return {}; });

/** Calls `work` whenever a question to the views with this signal has failed in a way that may pass. */
export const whenUnread = (signal, work) => signal.addEventListener(UNREAD, work);

/** A question to the views. Where it fails, the view that `signal` belongs to reads again later: see `follow`. */
export async function query(path, signal) {
  try {
    return await own(path, { signal });
  } catch (error) {
    if (isRepeatable(error)) signal?.dispatchEvent(new Event(UNREAD));
    throw error;
  }
}

async function other(name, path, options) {
  const url = (await configured())[name];
  if (!url) throw new Problem(0, "Its address is not configured.");
  const asksWho = await signsIn();
  try {
    // The cookie is that of the host, whatever the port.
    return await ask(url + path, { ...options, credentials: asksWho ? "include" : "same-origin" });
  } catch (error) {
    // It may take other tokens, or be where no cookie of this host gets: query-api knows whether the page is signed in.
    if (error.status === 401 && asksWho) checkSession();
    throw error;
  }
}

/** Whether the services ask who uses the page. */
export const signsIn = async () => (await configured()).sign_in === true;
export const readSession = () => own("/session");
let checking;
const checkSession = () => checking ??= readSession().catch(() => {}).finally(() => { checking = undefined; });
/** A token that is not taken is for the form to tell. */
export const signIn = token => ask("/session", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ token }) });
export const signOut = () => own("/session", { method: "DELETE" });

/** The address of a path of command-api, if that is known. */
export async function commandUrl(path) {
  const url = (await configured()).command_url;
  return url ? url + path : null;
}

export const log = (path, signal) => other("command_url", path, { signal });
export const operations = (path, signal) => other("projector_url", path, { signal });
export const operate = (method, path) => other("projector_url", path, { method });

/** `/path?with=these`, those without a value left out. */
export function withQuery(path, parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}
