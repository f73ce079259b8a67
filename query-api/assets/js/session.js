// Who uses the page, where the services ask for that. The token is kept in a cookie, which no script can read.

import { readSession, signIn, signOut, signsIn, whenSignedOut } from "./api.js";
import { h, text } from "./dom.js";
import { tell } from "./live.js";

/** The form that takes a token. */
function form(done) {
  const said = h("p", { class: "bad", role: "alert" });
  const token = h("input", { type: "password", id: "token", name: "token", autocomplete: "current-password", spellcheck: "false", required: true });
  const element = h("form", { class: "panel sign-in" }, h("h1", {}, "Sign in"),
    h("p", { class: "muted" }, "The services ask who you are. An operator makes tokens with waybill token new."),
    h("label", { for: "token" }, "Token"), token, h("button", { type: "submit", class: "primary" }, "Sign in"), said);
  element.addEventListener("submit", async event => {
    event.preventDefault();
    text(said, "");
    try {
      await signIn(token.value.trim());
    } catch (error) {
      text(said, error.message);
      return;
    }
    token.value = "";
    done();
  });
  return { element, token };
}

/** Shows who it is, with a button that signs out. */
function greet({ principal, owner }) {
  const place = document.getElementById("session");
  const leave = h("button", { type: "button", class: "small", id: "sign-out" }, "Sign out");
  leave.addEventListener("click", async () => { await signOut(); location.reload(); });
  place.replaceChildren(h("span", { title: owner ? `for ${owner} alone` : null }, principal), leave);
  place.hidden = false;
}

/** Asks for a token whenever one is needed: `left` ends what is shown, and `again` shows it. */
export async function session(left, again) {
  const main = document.getElementById("main");
  let asking = false;
  whenSignedOut(() => {
    if (asking) return;
    asking = true;
    left();
    tell("none", "Not signed in");
    document.getElementById("session").hidden = true;
    const { element, token } = form(async () => {
      asking = false;
      again();
      greet(await readSession());
    });
    main.replaceChildren(element);
    document.title = "Sign in · Waybill";
    token.focus();
  });
  if (await signsIn()) await readSession().then(greet, () => {});
}
