// The query box: painting, growing, the completion list, and the keys.

import { completionsAt } from "./complete.js";
import { byId, el } from "./dom.js";
import { paint } from "./highlight.js";

const text = byId("query");
const painted = byId("paint");
const list = byId("completion");
let items = [];
let context = null;
let chosen = -1;
let asked = 0;
let mark = null;
let accepting = false; // an accepted completion is put in: its input requests no list

export const queryText = () => text.value;

export function setQuery(query) {
  text.value = query;
  markFault(null);
  hide();
}

/** Underline what is at fault: {line, column, length} from 1, or null. */
export function markFault(fault) {
  mark = fault ? faultRange(text.value, fault) : null;
  repaint();
}

/** A fault's [start, end) in characters of the page; the server counts code points. */
export function faultRange(query, { line, column, length = 1 }) {
  const before = query.split("\n").slice(0, line - 1).reduce((sum, part) => sum + part.length + 1, 0);
  const points = [...(query.split("\n")[line - 1] ?? "")];
  const start = before + points.slice(0, column - 1).join("").length;
  const marked = points.slice(column - 1, column - 1 + Math.max(1, length)).join("").length;
  return [start, start + Math.max(1, marked)];
}

function repaint() {
  paint(painted, text.value, mark);
  text.style.height = "auto";
  text.style.height = `${Math.max(76, painted.scrollHeight)}px`;
}

function hide() {
  asked += 1;
  items = [];
  chosen = -1;
  list.replaceChildren();
  list.hidden = true;
  text.setAttribute("aria-expanded", "false");
  text.removeAttribute("aria-activedescendant");
}

/** Mark a row of the list; `chosen` is -1 while none is. */
function choose(index) {
  chosen = (index + items.length) % items.length;
  [...list.children].forEach((node, at) => node.setAttribute("aria-selected", String(at === chosen)));
  list.children[chosen].scrollIntoView({ block: "nearest" });
  text.setAttribute("aria-activedescendant", `completion-${chosen}`);
}

function accept(index) {
  const { text: word, put = word, call } = items[index];
  const caret = text.selectionStart;
  const after = text.value.slice(caret);
  let tail = "";
  if (call && !after.startsWith("(")) tail = "(";
  if (context.kind === "label" && /\{[^{}]*$/.test(text.value.slice(0, context.from)) && !/^\s*[=!]/.test(after)) tail = '="';
  if (context.kind === "value" && !after.startsWith(context.quote)) tail = context.quote;
  replaceTyped(put + tail, caret);
  hide();
  if (tail === '="') suggest(false);
}

/**
 * Replace the text from the beginning of the word to the caret, as if it were typed. Deprecated as
 * it is, `insertText` is the only way that leaves undo intact; it fires `input`.
 */
function replaceTyped(replacement, caret) {
  text.setSelectionRange(context.from, caret);
  accepting = true;
  const done = document.execCommand("insertText", false, replacement);
  accepting = false;
  if (done) return;
  text.setRangeText(replacement, context.from, caret, "end");
  changed();
}

async function suggest(byHand) {
  asked += 1;
  const mine = asked;
  const caret = text.selectionStart;
  const found = await completionsAt(text.value, caret);
  if (mine !== asked || document.activeElement !== text || text.selectionStart !== caret) return;
  const idle = found && found.context.typed === "" && found.context.kind === "name";
  if (!found || found.items.length === 0 || (idle && !byHand)) {
    hide();
    return;
  }
  // A finished word that nothing continues needs no list.
  if (found.items.length === 1 && found.items[0].text === found.context.typed && !byHand) {
    hide();
    return;
  }
  ({ items, context } = found);
  list.replaceChildren(...items.map(row));
  list.hidden = false;
  text.setAttribute("aria-expanded", "true");
  place();
  chosen = -1;
  text.removeAttribute("aria-activedescendant");
  if (found.preselect) choose(0);
}

function row(item, index) {
  const { length } = context.typed;
  const node = el(
    "li",
    { role: "option", id: `completion-${index}`, "aria-selected": "false" },
    el("span", {}, item.text.slice(0, item.at), el("mark", {}, item.text.slice(item.at, item.at + length)), item.text.slice(item.at + length)),
    el("small", {}, item.note),
  );
  node.addEventListener("mousedown", (event) => {
    event.preventDefault();
    accept(index);
  });
  return node;
}

/** Put the list below the word it completes, measured on the painted text. */
function place() {
  const box = painted.getBoundingClientRect();
  const walker = document.createTreeWalker(painted, NodeFilter.SHOW_TEXT);
  let left = context.from;
  let at = { left: box.left + 18, bottom: box.top + 40 };
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (left > node.length) {
      left -= node.length;
      continue;
    }
    const range = document.createRange();
    range.setStart(node, left);
    range.setEnd(node, Math.min(node.length, left + 1));
    const where = range.getBoundingClientRect();
    if (where.height > 0) at = where;
    break;
  }
  const widest = Math.max(0, box.width - list.offsetWidth);
  list.style.left = `${Math.min(at.left - box.left - 10, widest)}px`;
  list.style.top = `${at.bottom - box.top + 6}px`;
}

let changed = () => {};

/** Wire the box. `run` is called on Ctrl/Cmd+Enter; `edited` after each change. */
export function startEditor({ run, edited }) {
  changed = () => {
    mark = null;
    repaint();
    edited();
  };
  text.addEventListener("input", () => {
    changed();
    if (!accepting) suggest(false);
  });
  text.addEventListener("blur", hide);
  text.addEventListener("click", hide);
  new ResizeObserver(repaint).observe(painted.parentElement);
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      hide();
      run();
    } else if (event.key === " " && event.ctrlKey) {
      event.preventDefault();
      suggest(true);
    } else if (!list.hidden) {
      listKey(event);
    }
  });
  document.fonts?.ready.then(repaint);
}

/** The row after a step: single steps go round, pages stop at the ends. */
function stepped(step) {
  if (chosen < 0) return step > 0 ? 0 : items.length - 1;
  if (Math.abs(step) === 1) return chosen + step;
  return Math.min(items.length - 1, Math.max(0, chosen + step));
}

function listKey(event) {
  const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 }[event.key];
  if (step !== undefined) {
    event.preventDefault();
    choose(stepped(step));
  } else if (event.key === "Enter" || (event.key === "Tab" && !event.shiftKey)) {
    if (chosen < 0) { // the word stays as it is; the key does what it does without a list
      hide();
      return;
    }
    event.preventDefault();
    accept(chosen);
  } else if (event.key === "Escape") {
    event.preventDefault();
    hide();
  } else if (["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) { // the caret leaves the word
    hide();
  }
}
