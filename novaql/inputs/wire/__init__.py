"""Remote write and exposed text, read by compiled functions (`compiling.WALKS`).

`decoder` reads messages of the usual shape and `text_lines` such lines. The plain decoders read all
others, and everything until the functions are ready and without numba.
"""
