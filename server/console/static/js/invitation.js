// An invitation's link, `/#invitation=…`: accept it, sign in, and show the first token once.

import { byId } from "./dom.js";
import { ApiError, bodyOf, respond } from "./request.js";
import { signIn } from "./session.js";

async function accept(token, name) {
  const response = await respond("/v1/invitations/accept", {
    method: "POST",
    headers: { Accept: "application/json", "Content-Type": "application/json" },
    body: JSON.stringify(name ? { token, name } : { token }),
  });
  const { body } = await bodyOf(response);
  if (!response.ok) throw new ApiError(response.status, body);
  return body;
}

/** Show the invitation until it is accepted or left. Resolves to whether the guest is signed in. */
export function openInvitation(secret) {
  const dialog = byId("invitation-dialog");
  const problem = byId("invitation-problem");
  let joined = false;
  let sent = false; // a second Enter would only find the invitation used
  byId("invitation-form").onsubmit = async (event) => {
    event.preventDefault();
    if (sent) return;
    sent = true;
    problem.textContent = "";
    try {
      const { token, user } = await accept(secret, byId("invitation-name").value.trim());
      problem.textContent = await signIn(token);
      joined = problem.textContent === "";
      byId("invitation-title").textContent = `Welcome, ${user.name}`;
      byId("first-token").value = token;
      byId("invitation-ask").hidden = true;
      byId("invitation-done").hidden = false;
      byId("first-token").select();
    } catch (refusal) {
      sent = false;
      problem.textContent = refusal.message;
    }
  };
  byId("invitation-close").onclick = () => dialog.close();
  byId("invitation-leave").onclick = () => dialog.close();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      byId("first-token").value = "";
      resolve(joined);
    }, { once: true });
    dialog.showModal();
    byId("invitation-name").focus();
  });
}
