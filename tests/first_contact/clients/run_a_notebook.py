"""A notebook runs without a browser: a query shows a chart and a table."""

import nbformat
from nbclient import NotebookClient

DATA = """\
import pandas as pd
load = pd.DataFrame(
    {"time": pd.date_range("2026-03-01", periods=60, freq="1min"), "load": range(60)}
)
%load_ext novaql
%novaql --data load
"""
cells = [DATA, "%novaql --start 2026-03-01 --step 1m load", "float(_.values.max())"]
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])

NotebookClient(notebook, timeout=600).execute()

shown = notebook.cells[1].outputs[0].data
assert "<svg" in shown["text/html"]
assert "60 steps" in shown["text/plain"]
assert notebook.cells[2].outputs[0].data["text/plain"] == "59.0"
