/** Who is signed in, with the way out. */

import { element, factList } from "./elements.js";

const byId = (id) => document.getElementById(id);

/** A menu in the head of the page, where somebody has signed in. */
export class Account {
  #menu = byId("account");

  /** @param {() => void} signOut */
  constructor(signOut) {
    byId("sign-out").addEventListener("click", () => {
      this.#menu.open = false;
      signOut();
    });
    this.#menu.addEventListener("keydown", ({ key }) => {
      if (key === "Escape") this.#close();
    });
    addEventListener("pointerdown", ({ target }) => {
      if (!this.#menu.contains(target)) this.#menu.open = false;
    });
  }

  /** Shows a person, also one whom the service does not name, or nobody for null. */
  show(person) {
    this.#menu.hidden = person === null;
    if (person === null) return;
    const { user, name, roles } = person;
    byId("account-name").textContent = name ?? "Account";
    byId("account-initial").textContent = [...(name ?? "?").toUpperCase()][0];
    const facts = factList([
      ["Signed in as", name],
      ["User", user === name ? null : user],
      ["Roles", roles.join(", ")],
    ]);
    const unnamed = element("p", { class: "hint" }, "The service has not said who you are.");
    byId("account-facts").replaceChildren(name === null ? unnamed : facts);
  }

  #close() {
    if (!this.#menu.open) return;
    this.#menu.open = false;
    this.#menu.querySelector("summary").focus();
  }
}
