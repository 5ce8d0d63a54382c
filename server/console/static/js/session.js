// Who is signed in. The server's cookie is the session, and scripts cannot read it; a token is sent
// once, to open it: from `#token=…`, or from the dialog.

import { byId } from "./dom.js";
import { ApiError, bodyOf, respond } from "./request.js";

let asking = null;
let known = null; // {user, role, tenant, session}, or null

/** A request about the session: {status, ok, body}. */
async function ask(method, headers = {}) {
  const response = await respond("/v1/session", { method, headers: { Accept: "application/json", ...headers } });
  const { body } = await bodyOf(response);
  return { status: response.status, ok: response.ok, body };
}

/** Get the current user from the server; null without a session. Any other answer is an ApiError. */
export async function whoAmI() {
  const { status, ok, body } = await ask("GET");
  if (!ok && status !== 401) throw new ApiError(status, body);
  known = ok ? body : null;
  showButton();
  return known;
}

/** The server has refused the session: it has ended, or was revoked. */
export function forgetSession() {
  known = null;
  showButton();
}

/** What an action resolves to, or the message of its ApiError. */
async function orMessage(action) {
  try {
    return await action();
  } catch (problem) {
    if (!(problem instanceof ApiError)) throw problem;
    return problem.message;
  }
}

/** Exchange a token for a session. Resolves to "" or the reason why there is none. */
export const signIn = (token) => orMessage(async () => {
  const { status, ok, body } = await ask("POST", { Authorization: `Bearer ${token}` });
  if (status === 401) return "The server does not accept this token.";
  if (!ok && body?.error?.code === "no_tokens") return "";
  if (!ok) throw new ApiError(status, body);
  return (await whoAmI()) ? "" : "This browser does not accept the cookie of this server.";
});

/** End the session; the page reloads, and shows nothing more. Resolves to "" or the reason why it goes on. */
const signOut = () => orMessage(async () => {
  const { status, ok, body } = await ask("DELETE");
  if (!ok && status !== 401) throw new ApiError(status, body);
  location.reload();
  return "";
});

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
    const leaves = choice === "out";
    if (!leaves && (choice !== "use" || token === "")) return false;
    problem = leaves ? await signOut() : await signIn(token);
    if (problem === "") return !leaves;
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
