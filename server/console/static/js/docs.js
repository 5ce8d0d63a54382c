// The API's interactive documentation: Swagger UI over this server's own OpenAPI document.

import { resolveSubtree } from "./references.js";

// Its lists and texts have no names for screen readers: that of a parameter, or else what they are.
const named = (field) => {
  const row = field.closest("tr")?.querySelector(".parameter__name");
  const other = field.id === "servers" ? "Server" : "Media type";
  const name = row?.firstChild?.textContent || (field.tagName === "TEXTAREA" ? "Body" : other);
  field.setAttribute("aria-label", name);
};
new MutationObserver(() => {
  document.querySelectorAll("#api :is(select, textarea):not([aria-label])").forEach(named);
}).observe(document.getElementById("api"), { childList: true, subtree: true });

SwaggerUIBundle({
  url: "/v1/openapi.json",
  dom_id: "#api",
  layout: "BaseLayout",
  deepLinking: true,
  docExpansion: "none",
  defaultModelsExpandDepth: -1,
  filter: true,
  validatorUrl: null, // no request to another host
  plugins: [
    { fn: { resolveSubtree } },
    // Its link to the licence's text leads to another host.
    { wrapComponents: { License: () => () => null, OAS31License: () => () => null } },
    // Links inside of buttons; opening an operation sets the address all the same.
    {
      wrapComponents: {
        DeepLink: (_, { React }) => ({ text }) => React.createElement("span", null, text),
      },
    },
  ],
}); // a browser that is signed in sends its cookie; "Authorize" takes any other token
