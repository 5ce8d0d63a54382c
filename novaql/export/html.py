"""A result in a notebook: a chart and a table in one HTML fragment, light and dark."""

from __future__ import annotations

from html import escape

from novaql.export.chart_events import STYLE as CHART_STYLE
from novaql.export.chart_svg import PALETTE, line_chart
from novaql.export.columns import wide_form
from novaql.export.table import Table, split_common, table_of
from novaql.result import Result, ResultKind
from novaql.text.labels import series_text

MOST_LINES = 50
MOST_ROWS = 20

_LIGHT = "--nq-text:#57606a;--nq-strong:#1f2328;--nq-grid:#d8dee4;--nq-back:#fff;--nq-note:#9a6700"
_DARK = (
    "--nq-text:#9198a1;--nq-strong:#e6edf3;--nq-grid:#30363d;--nq-back:#0d1117;--nq-note:#d29922"
)
# Notebooks set their theme by an attribute or class of the body; a plain page follows the system.
_STYLE = f"""
.novaql{{{_LIGHT};font:13px/1.45 system-ui,sans-serif;color:var(--nq-text);
background:var(--nq-back);border:1px solid var(--nq-grid);border-radius:8px;padding:10px 12px;
max-width:900px;overflow-x:auto}}
@media (prefers-color-scheme:dark){{.novaql{{{_DARK}}}}}
[data-jp-theme-light="true"] .novaql,.vscode-light .novaql{{{_LIGHT}}}
[data-jp-theme-light="false"] .novaql,.vscode-dark .novaql{{{_DARK}}}
.novaql .nq-title{{color:var(--nq-strong);font-weight:600}}
.novaql code{{font:12px ui-monospace,monospace;color:inherit;background:none}}
.novaql svg.nq-chart{{display:block;width:100%;height:auto;margin:6px 0}}
.novaql svg text{{font:11px system-ui,sans-serif;fill:var(--nq-text)}}
.novaql .nq-grid{{stroke:var(--nq-grid);fill:none}}
.novaql .nq-line{{fill:none;stroke-width:1.6;stroke-linejoin:round;stroke-linecap:round}}
.novaql .nq-line:hover{{stroke-width:3}}
.novaql table{{border-collapse:collapse;font:inherit;margin:4px 0;
font-variant-numeric:tabular-nums}}
.novaql th,.novaql td{{padding:2px 14px 2px 0;border:0;border-bottom:1px solid var(--nq-grid);
text-align:left;background:none;color:var(--nq-strong);white-space:nowrap}}
.novaql th{{color:var(--nq-text);font-weight:500}}
.novaql th button{{font:inherit;color:inherit;background:none;border:0;padding:0;cursor:pointer}}
.novaql th[aria-sort=ascending] button::after{{content:" ▲"}}
.novaql th[aria-sort=descending] button::after{{content:" ▼"}}
.novaql .nq-right{{text-align:right}}
.novaql .nq-key{{display:inline-block;width:10px;height:10px;border-radius:2px;margin-right:8px}}
.novaql .nq-note{{color:var(--nq-note)}}
{CHART_STYLE}"""


# Sorts the rows by the column whose heading was pressed: up, then down. Numbers by their value,
# texts with numbers in them as people do (`node-2` before `node-10`). It is an attribute of the
# table, because many pages run no script element of a fragment that they insert.
_SORT = """
const head = event.target.closest('th');
if (head && head.textContent) {
  const down = head.getAttribute('aria-sort') === 'ascending';
  for (const other of head.parentNode.cells) other.removeAttribute('aria-sort');
  head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
  const cell = row => row.cells[head.cellIndex].textContent.replace(/^([+-])Inf$/, '$1Infinity');
  const order = (a, b) => {
    if (a && b && !isNaN(a) && !isNaN(b)) return Number(a) < Number(b) ? -1 : Number(a) > Number(b);
    return a.localeCompare(b, undefined, {numeric: true});
  };
  const rows = [...this.tBodies[0].rows].sort((a, b) => order(cell(a), cell(b)) * (down ? -1 : 1));
  this.tBodies[0].append(...rows);
}
"""


def html_of(result: Result) -> str:
    """An HTML fragment: title, chart of a matrix, table, notes. Everything from data is escaped."""
    table = table_of(result, rows=MOST_ROWS)
    matrix = result.kind is ResultKind.MATRIX
    lines = min(MOST_LINES, result.series.rows) if matrix else 0
    parts = [f'<div class="novaql"><style>{_STYLE}</style>']
    parts.append(f'<div class="nq-title">{escape(table.title)}</div>')
    if table.common:
        parts.append(
            f"<div>{escape(table.common_heading)} <code>{escape(table.common)}</code></div>"
        )
    if lines:
        parts.append(_chart(result, lines))
        if lines < result.series.rows:
            parts.append(f"<div>first {lines} of {result.series.rows} series drawn</div>")
    if table.columns:
        parts.append(_table(table, keyed=matrix))
    if table.left_out:
        parts.append(f"<div>… {table.left_out} more series</div>")
    parts += [
        f'<div class="nq-note">{escape(kind)}: {escape(text)}</div>' for kind, text in table.notes
    ]
    parts.append("</div>")
    return "".join(parts)


def _chart(result: Result, lines: int) -> str:
    form = wide_form(result)
    _, varying = split_common(result.series)
    names = [
        series_text(
            {name: text for name, text in result.series.labels(row).items() if name in varying}
        )
        for row in range(lines)
    ]
    valid = None if form.valid is None else form.valid[:lines]
    return line_chart(form.times_ms, form.values[:lines], valid, names)


def _table(table: Table, *, keyed: bool) -> str:
    """The columns; `keyed`: each row begins with the colour of its line."""
    shown = [column for column in table.columns if column.heading]  # the chart is the sparkline
    heads = "".join(
        f'<th{_side(c.right)}><button type="button">{escape(c.heading)}</button></th>'
        for c in shown
    )
    rows = []
    for number, cells in enumerate(zip(*[column.cells for column in shown], strict=True)):
        colour = PALETTE[number % len(PALETTE)]
        key = f'<td><span class="nq-key" style="background:{colour}"></span></td>' if keyed else ""
        rows.append(
            f"<tr>{key}"
            + "".join(
                f"<td{_side(column.right)}>{escape(cell)}</td>"
                for column, cell in zip(shown, cells, strict=True)
            )
            + "</tr>"
        )
    corner = "<th></th>" if keyed else ""
    head = f"<thead><tr>{corner}{heads}</tr></thead>"
    return f'<table onclick="{escape(_SORT)}">{head}<tbody>{"".join(rows)}</tbody></table>'


def _side(right: bool) -> str:
    return ' class="nq-right"' if right else ""
