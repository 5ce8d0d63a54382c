// Elements without markup in strings: text is always text.

export const byId = (id) => document.getElementById(id);

/** An element with properties, `data-*`/`aria-*` attributes and children. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name.includes("-") || name === "role" || name === "for") node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export function swatch(colour) {
  const node = el("span", { className: "swatch" });
  node.style.background = colour;
  return node;
}
