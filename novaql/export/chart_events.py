"""Reactions of a chart to the pointer: it shows values, and zooms.

The code is an attribute of the SVG element, because many pages run no script element of a fragment
that they insert. It reads the samples from the attributes of the lines, and calls no server.
"""

from __future__ import annotations

from html import escape

_ON_ENTER = """
const svg = this;
if (svg.dataset.ready) return;
svg.dataset.ready = '1';
const [left, right, top, bottom] = svg.dataset.plot.split(' ').map(Number);
const [begin, end] = svg.dataset.range.split(' ').map(Number);
const lines = [...svg.querySelectorAll('.nq-line')].map(path => ({
  name: path.querySelector('title').textContent,
  colour: path.getAttribute('stroke'),
  times: path.dataset.times.split(' ').map(Number),
  values: path.dataset.values.split(' '),
}));
for (const title of svg.querySelectorAll('.nq-line title')) title.remove();
const add = (name, attributes) => {
  const made = document.createElementNS(svg.namespaceURI, name);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  return svg.appendChild(made);
};
const cursor = add('path', {class: 'nq-grid nq-cursor'});
const chosen = add('rect', {class: 'nq-chosen', y: top, height: bottom - top, width: 0});
const moving = svg.querySelector('.nq-lines'), labels = svg.querySelector('.nq-times');
const whole = labels.innerHTML;
const tip = document.createElement('div');
tip.className = 'nq-tip';
svg.after(tip);
let from = begin, to = end, pressed = null;
const x_of = ms => left + (ms - from) / (to - from) * (right - left);
const x_at = event => {
  const box = svg.getBoundingClientRect();
  const x = (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
  return Math.min(Math.max(x, left), right);
};
const time_at = x => from + (x - left) / (right - left) * (to - from);
const text_of = ms => new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
const show = (a, b) => {
  [from, to] = [a, b];
  const scale = (end - begin) / (to - from);
  moving.setAttribute('transform', `matrix(${scale} 0 0 1 ${x_of(begin) - scale * left} 0)`);
  labels.innerHTML = whole;
  if (a === begin && b === end) return;
  labels.textContent = '';
  for (const share of [0.15, 0.5, 0.85]) {
    const ms = from + share * (to - from);
    const attributes = {x: x_of(ms), y: labels.dataset.y, 'text-anchor': 'middle'};
    const label = labels.appendChild(add('text', attributes));
    label.textContent = text_of(ms);
  }
};
const hint = () =>
  from === begin && to === end ? 'drag to zoom' : 'double-click for the whole range';
const nearest = (times, ms) => {
  let low = 0, high = times.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < ms) low = middle + 1; else high = middle;
  }
  return low > 0 && ms - times[low - 1] <= times[low] - ms ? low - 1 : low;
};
const point = (x, event) => {
  const wanted = time_at(x);
  const found = lines.map(line => ({line, at: nearest(line.times, wanted)}));
  const distance = one => Math.abs(one.line.times[one.at] - wanted);
  const closest = found.reduce((a, b) => distance(b) < distance(a) ? b : a);
  const ms = closest.line.times[closest.at];
  const rows = found.filter(one => Math.abs(x_of(one.line.times[one.at]) - x_of(ms)) < 0.6);
  rows.sort((a, b) => b.line.values[b.at] - a.line.values[a.at]);
  cursor.setAttribute('d', `M${x_of(ms)} ${top}V${bottom}`);
  tip.textContent = '';
  tip.append(text_of(ms));
  for (const {line, at} of rows.slice(0, 12)) {
    const row = tip.appendChild(document.createElement('div'));
    const key = row.appendChild(document.createElement('span'));
    key.className = 'nq-key';
    key.style.background = line.colour;
    row.append(`${line.name} `);
    row.appendChild(document.createElement('b')).textContent = line.values[at];
  }
  if (rows.length > 12) tip.append(`… ${rows.length - 12} more`);
  tip.appendChild(document.createElement('small')).textContent = hint();
  const box = svg.getBoundingClientRect(), outer = svg.parentNode.getBoundingClientRect();
  const rightwards = event.clientX < box.left + box.width / 2;
  tip.style.left = rightwards ? `${event.clientX - outer.left + 16}px` : '';
  tip.style.right = rightwards ? '' : `${outer.right - event.clientX + 16}px`;
  tip.style.top = `${box.top - outer.top + 8}px`;
  tip.style.display = 'block';
};
const choose = x => {
  chosen.setAttribute('x', Math.min(pressed, x));
  chosen.setAttribute('width', Math.abs(x - pressed));
};
svg.addEventListener('pointermove', event => {
  const x = x_at(event);
  point(x, event);
  if (pressed !== null) choose(x);
});
svg.addEventListener('pointerdown', event => {
  pressed = x_at(event);
  svg.setPointerCapture(event.pointerId);
  event.preventDefault();
});
svg.addEventListener('pointerup', event => {
  const x = x_at(event), [a, b] = [time_at(Math.min(pressed, x)), time_at(Math.max(pressed, x))];
  if (Math.abs(x - pressed) > 5 && b - a >= 1) show(a, b);
  choose(pressed);
  pressed = null;
});
svg.addEventListener('dblclick', () => show(begin, end));
svg.addEventListener('pointerleave', () => {
  cursor.removeAttribute('d');
  tip.style.display = 'none';
});
"""

STYLE = """
.novaql svg.nq-chart{touch-action:pan-y;user-select:none}
.novaql .nq-line{vector-effect:non-scaling-stroke}
.novaql .nq-chosen{fill:var(--nq-text);opacity:.2}
.novaql{position:relative}
.novaql .nq-tip{display:none;position:absolute;padding:4px 8px;pointer-events:none;
color:var(--nq-strong);background:var(--nq-back);border:1px solid var(--nq-grid);border-radius:4px;
font-variant-numeric:tabular-nums;white-space:nowrap}
.novaql .nq-tip small{color:var(--nq-text)}
"""
"""Rules of the fragment that contains the chart."""


def attributes() -> str:
    """The attributes of the SVG element that make it answer to the pointer."""
    return f'onpointerenter="{escape(_ON_ENTER)}"'
