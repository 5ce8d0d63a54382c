"""CSV in the long layout."""

from __future__ import annotations

import csv
from typing import TextIO

import numpy as np

from novaql.export.columns import TIME, VALUE, long_form
from novaql.export.number_text import number_text
from novaql.export.time_text import time_texts
from novaql.result import Result

_CHUNK = 1 << 16


def write_csv(result: Result, out: TextIO) -> None:
    """Write a header and one row a sample. RFC 4180, lines end in CR LF.

    Times are RFC 3339 in UTC, values the shortest decimal that reads back as the same float, an
    absent label an empty cell.
    """
    form = long_form(result)
    writer = csv.writer(out)
    writer.writerow([TIME, VALUE, *form.labels])
    if form.text is not None:
        writer.writerow([*time_texts(form.times_ms), form.text])
        return
    dictionaries = [
        (np.array(column.values, object), column.codes) for _, column in form.labels.values()
    ]
    distinct, instant = np.unique(form.times_ms, return_inverse=True)
    times = np.array(time_texts(distinct), object)
    for start in range(0, len(form.values), _CHUNK):
        some = slice(start, start + _CHUNK)
        row = form.row[some]
        writer.writerows(
            zip(
                times[instant[some]],
                map(number_text, form.values[some].tolist()),
                *[texts[codes[row]] for texts, codes in dictionaries],
                strict=True,
            )
        )
