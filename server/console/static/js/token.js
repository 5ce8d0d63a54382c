// The bearer token: in this tab's session storage, taken from `#token=…`, or asked for once.

import { byId } from "./dom.js";

const KEY = "novaql-token";
let asking = null;

export const token = () => sessionStorage.getItem(KEY);

/** Take the token out of the address, so that it is neither copied nor kept in the history. */
export function takeTokenFromAddress() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const given = fragment.get("token");
  if (given === null) return;
  if (given) sessionStorage.setItem(KEY, given);
  fragment.delete("token");
  const rest = fragment.toString();
  history.replaceState(null, "", location.pathname + location.search + (rest ? `#${rest}` : ""));
}

/** Ask for a token. Resolves to whether one was given; many callers share one dialog. */
export function askForToken(problem = "") {
  asking ??= new Promise((resolve) => {
    const dialog = byId("token-dialog");
    const field = byId("token");
    byId("token-problem").textContent = problem;
    field.value = token() ?? "";
    dialog.returnValue = "cancel";
    dialog.addEventListener(
      "close",
      () => {
        asking = null;
        const given = field.value.trim();
        field.value = "";
        if (dialog.returnValue === "forget") sessionStorage.removeItem(KEY);
        const use = dialog.returnValue === "use" && given !== "";
        if (use) sessionStorage.setItem(KEY, given);
        resolve(use);
      },
      { once: true },
    );
    // Enter in the field means "use", though "forget" is the form's first button.
    field.onkeydown = (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      dialog.close("use");
    };
    dialog.showModal();
    field.focus();
  });
  return asking;
}
