// Asking the services.

/** An answer that is no success: what the service says, for people. */
export class Problem extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

const SIGNED_OUT = "signed-out";

/** Calls `work` whenever a service asks for a token that the page has not, or has no more. */
export const whenSignedOut = work => document.addEventListener(SIGNED_OUT, work);

async function ask(url, options) {
  let answer;
  try {
    answer = await fetch(url, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "It can't be reached.");
  }
  if (answer.status === 204) return null;
  const body = await answer.json().catch(() => ({}));
  if (answer.status === 401 && options?.method !== "POST") document.dispatchEvent(new Event(SIGNED_OUT));
  if (!answer.ok) throw new Problem(answer.status, body.detail ?? answer.statusText);
  return body;
}

const configured = ask("/config.json").catch(() => ({}));

/** A question to the views. */
export const query = (path, signal) => ask(path, { signal });

async function other(name, path, options) {
  const url = (await configured)[name];
  if (!url) throw new Problem(0, "Its address is not configured.");
  // The cookie is that of the host, whatever the port.
  return ask(url + path, { ...options, credentials: await signsIn() ? "include" : "same-origin" });
}

/** Whether the services ask who uses the page. */
export const signsIn = async () => (await configured).sign_in === true;
export const readSession = () => ask("/session");
export const signIn = token => ask("/session", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ token }) });
export const signOut = () => ask("/session", { method: "DELETE" });

/** The address of a path of command-api, if that is known. */
export async function commandUrl(path) {
  const url = (await configured).command_url;
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
