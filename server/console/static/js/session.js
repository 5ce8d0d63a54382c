// Who is signed in. The server's cookie is the session, and scripts cannot read it; a token is sent
// once, to open it: from `#token=…`, or from the dialog.

import { byId } from "./dom.js";

let asking = null;
let known = null; // {user, role, tenant, session}, or null

const headers = { Accept: "application/json" };

/** Get the current user from the server; null without a session. */
export async function whoAmI() {
  const answer = await fetch("/v1/session", { headers, cache: "no-store" });
  known = answer.ok ? await answer.json() : null;
  showButton();
  return known;
}

/** Exchange a token for a session. Resolves to "" or the reason why there is none. */
export async function signIn(token) {
  let answer;
  try {
    const authorized = { ...headers, Authorization: `Bearer ${token}` };
    answer = await fetch("/v1/session", { method: "POST", headers: authorized, cache: "no-store" });
  } catch {
    return "The server cannot be reached. Is it still running?";
  }
  const body = await answer.json().catch(() => null);
  if (answer.status === 401) return "The server does not accept this token.";
  if (!answer.ok) {
    const { code, message } = body?.error ?? {};
    return code === "no_tokens" ? "" : message ?? `The server answered ${answer.status}.`;
  }
  return (await whoAmI()) ? "" : "This browser does not accept the cookie of this server.";
}

/** End the session. The page reloads, and shows nothing more. */
async function signOut() {
  await fetch("/v1/session", { method: "DELETE", headers });
  location.reload();
}

/** Whether the server requires tokens, after its first answer. */
export const needsToken = () => known === null || known.session !== null;

function showButton() {
  const button = byId("session-button");
  button.hidden = !needsToken();
  button.textContent = known ? known.user : "Sign in";
  button.title = known ? `${known.user}: ${known.role} of ${known.tenant}` : "";
}

/** The value of `name` in the fragment; it leaves the address, so that it is neither copied nor stored. */
export function takeFromAddress(name) {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const given = fragment.get(name);
  if (given === null) return "";
  fragment.delete(name);
  const rest = fragment.toString();
  history.replaceState(null, "", location.pathname + location.search + (rest ? `#${rest}` : ""));
  return given;
}

/** Prompt for a token until one opens a session. Resolves to whether one did; many callers share one dialog. */
export function askForToken(problem = "") {
  asking ??= untilSignedIn(problem).finally(() => { asking = null; });
  return asking;
}

async function untilSignedIn(first) {
  for (let problem = first; ;) {
    const { choice, token } = await dialog(problem);
    if (choice === "out") await signOut();
    if (choice !== "use" || token === "") return false;
    problem = await signIn(token);
    if (problem === "") return true;
  }
}

/** Show the dialog. Resolves to how it was left, and what was typed. */
function dialog(problem) {
  const box = byId("token-dialog");
  const field = byId("token");
  byId("token-problem").textContent = problem;
  byId("token-who").textContent = known ? `Signed in as ${known.user}, ${known.role} of ${known.tenant}.` : "";
  byId("token-title").textContent = known ? "Session" : "Sign in";
  byId("sign-out").hidden = known === null;
  box.returnValue = "cancel";
  // Enter in the field means "use", though "out" is the form's first button.
  field.onkeydown = (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    box.close("use");
  };
  return new Promise((resolve) => {
    box.addEventListener("close", () => {
      const token = field.value.trim();
      field.value = "";
      resolve({ choice: box.returnValue, token });
    }, { once: true });
    box.showModal();
    field.focus();
  });
}
