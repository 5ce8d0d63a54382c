"""The functions that the driver runs in a page.

They run in an isolated world: they share the document with the page's scripts, but no variable.
Values from flows are arguments of the functions, never part of their text.
"""

from __future__ import annotations

_VISIBLE = """
const visible = (e) => {
  const box = e.getBoundingClientRect();
  return box.width > 0 && box.height > 0 && getComputedStyle(e).visibility === 'visible';
};
const first = (selector) => {
  let found;
  try { found = document.querySelectorAll(selector); } catch { return {invalid: true}; }
  for (const e of found) if (visible(e)) return {element: e};
  return {};
};
"""

IS_VISIBLE = f"""(selector) => {{ {_VISIBLE}
  const found = first(selector);
  return {{invalid: !!found.invalid, found: !!found.element}};
}}"""

CLICKABLE = f"""(selector) => {{ {_VISIBLE}
  const {{invalid, element}} = first(selector);
  if (!element) return {{invalid: !!invalid}};
  if (element.matches(':disabled')) return {{}};
  element.scrollIntoView({{block: 'center', inline: 'center', behavior: 'instant'}});
  const box = element.getBoundingClientRect();
  const x = box.left + box.width / 2, y = box.top + box.height / 2;
  let top = document.elementFromPoint(x, y);
  while (top && top.shadowRoot && top.shadowRoot.elementFromPoint(x, y) &&
         top.shadowRoot.elementFromPoint(x, y) !== top)
    top = top.shadowRoot.elementFromPoint(x, y);
  const label = top && top.closest('label');
  const hit = top && (element.contains(top) || top.contains(element) ||
                      (label && label.control === element));
  return {{found: !!hit, x, y}};
}}"""
"""The middle of the element, if no other element covers it."""

FOCUS_FIELD = f"""(selector, value) => {{ {_VISIBLE}
  const {{invalid, element}} = first(selector);
  if (!element) return {{invalid: !!invalid}};
  if (element.matches(':disabled')) return {{}};
  if (element instanceof HTMLSelectElement) {{
    const option = [...element.options].find((o) => o.value === value || o.label === value);
    if (!option) return {{}};
    element.value = option.value;
    element.dispatchEvent(new Event('input', {{bubbles: true}}));
    element.dispatchEvent(new Event('change', {{bubbles: true}}));
    return {{found: true, done: true}};
  }}
  const editable = element instanceof HTMLInputElement || element instanceof HTMLTextAreaElement;
  if (!editable && !element.isContentEditable) return {{unfit: true}};
  element.scrollIntoView({{block: 'center', behavior: 'instant'}});
  element.focus();
  if (editable) element.select();
  else getSelection().selectAllChildren(element);
  return {{found: true, done: false}};
}}"""

HAS_TEXT = f"""(text, selector) => {{ {_VISIBLE}
  const plain = (t) => t.replace(/\\s+/g, ' ');
  let elements;
  try {{ elements = selector ? document.querySelectorAll(selector) : [document.body]; }}
  catch {{ return {{invalid: true}}; }}
  for (const e of elements) {{
    if (!e) continue;
    const shown = e.value !== undefined && typeof e.value === 'string' && e.type !== 'password'
      ? e.value : e.innerText || '';
    if (plain(shown).includes(plain(text))) return {{found: true}};
  }}
  return {{found: false, elements: elements.length}};
}}"""

_HIDE = """
const hide = (e) => {
  if (!e || !e.style) return;
  (globalThis.__masked = globalThis.__masked || []).push([e, e.getAttribute('style')]);
  e.style.setProperty('transition', 'none', 'important');
  e.style.setProperty('animation', 'none', 'important');
  e.style.setProperty('opacity', '0', 'important');
};
"""

HIDE_THIS = f"""function () {{ {_HIDE} hide(this); }}"""

MASK = (
    "(selectors, secrets) => {"
    + _HIDE
    + """
  try { selectors.forEach((s) => document.querySelector(s)); } catch { return {invalid: true}; }
  const shows = (t) => typeof t === 'string' && secrets.some((s) => t.includes(s));
  const visit = (root) => {
    for (const s of selectors) {
      root.querySelectorAll(s).forEach(hide);
    }
    root.querySelectorAll('input[type=password]').forEach(hide);
    for (const e of root.querySelectorAll('*')) {
      if (shows(e.value) || shows(e.placeholder)) hide(e);
      const pseudo = ['::before', '::after'].map((p) => getComputedStyle(e, p).content);
      if (pseudo.some(shows)) hide(e);
      if (e.shadowRoot) visit(e.shadowRoot);
      if (e instanceof HTMLCanvasElement && secrets.length) hide(e);
      if (e instanceof HTMLIFrameElement) {
        let inner = null;
        try { inner = e.contentDocument; } catch { /* of another origin */ }
        if (inner) visit(inner); else if (secrets.length) hide(e);
      }
      if (secrets.length && shows(e.innerText ?? e.textContent) &&
          ![...e.children].some((c) => shows(c.innerText ?? c.textContent))) hide(e);
    }
  };
  visit(document);
  return {found: true};
}"""
)
"""Make invisible: fields of passwords, elements of selectors, and elements that show a secret. When
the run has typed a secret, frames of other origins and canvases are invisible, too: their text is
not accessible."""

UNMASK = """() => {
  for (const [e, style] of (globalThis.__masked || []).reverse())
    if (style === null) e.removeAttribute('style'); else e.setAttribute('style', style);
  globalThis.__masked = [];
  return true;
}"""
