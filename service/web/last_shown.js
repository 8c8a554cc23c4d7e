/** Which conversation this tab has shown last, so that it is shown again when the page is loaded anew. */

import { parsed } from "./answers.js";

const KEY = "turnstile.conversation";

/** Keeps it for this user; null is nobody in particular, for whom nothing is kept. */
export function remember(user, id) {
  if (user !== null) sessionStorage.setItem(KEY, JSON.stringify({ user, id }));
}

export function forget() {
  sessionStorage.removeItem(KEY);
}

/** The conversation that this user has seen last, null for none; that of somebody else is forgotten. */
export function lastShown(user) {
  const kept = parsed(sessionStorage.getItem(KEY));
  if (kept?.user === user) return kept.id;
  forget();
  return null;
}
