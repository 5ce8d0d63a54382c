// Light, dark, or the setting of the system. Stored across visits.

import { byId } from "./dom.js";

const KEY = "novaql-theme";
const NEXT = { system: "light", light: "dark", dark: "system" };
const SHAPES = {
  system: "M4 5h16v11H4zM9 20h6M12 16v4",
  light: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6 19 19M5 19l1.4-1.400M17.6 6.4 19 5",
  dark: "M20 14.500A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.500z",
};
const SVG = "http://www.w3.org/2000/svg";

function show(choice) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  for (const [name, value] of Object.entries({ viewBox: "0 0 24 24", fill: "none", stroke: "currentColor", "stroke-width": "1.8", "stroke-linecap": "round", "stroke-linejoin": "round", "aria-hidden": "true" })) svg.setAttribute(name, value);
  path.setAttribute("d", SHAPES[choice]);
  svg.append(path);
  const button = byId("theme");
  button.replaceChildren(svg);
  button.setAttribute("aria-label", `Colour theme: ${choice === "system" ? "as the system" : choice}`);
  button.title = button.getAttribute("aria-label");
  if (choice === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = choice;
}

/** `changed` is called whenever the colours may have become others. */
export function startTheme(changed) {
  let choice = localStorage.getItem(KEY);
  if (!(choice in NEXT)) choice = "system";
  show(choice);
  byId("theme").addEventListener("click", () => {
    choice = NEXT[choice];
    localStorage.setItem(KEY, choice);
    show(choice);
    changed();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
}

export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

const LIGHT = ["#5646e8", "#0a9b83", "#d9480f", "#c2257f", "#1c7ed6", "#8a6d00", "#7b2fbf", "#2b8a3e", "#c92a3a", "#0b7285", "#a6561b", "#495b9b"];
const DARK = ["#9d92ff", "#38d9b4", "#ff9a62", "#f783c4", "#6cb8ff", "#f2cc4d", "#cc8bfa", "#7fdc8b", "#ff8590", "#5ed3e6", "#e0a77a", "#a3b2ea"];

/** The value of a CSS variable now. */
export const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export const colour = (index) => (isDark() ? DARK : LIGHT)[index % LIGHT.length];
