// The API's interactive documentation: Swagger UI over this server's own OpenAPI document.

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
    // Its link to the licence's text leads to another host.
    { wrapComponents: { License: () => () => null, OAS31License: () => () => null } },
  ],
}); // a browser that is signed in sends its cookie; "Authorize" takes any other token
