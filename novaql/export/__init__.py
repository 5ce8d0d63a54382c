"""A `Result` as other things: tables of other libraries, text, a picture.

One form a file. Nothing here is imported until the form is asked for, so that `import novaql` stays
light; a library that is not installed is named in the error together with the extra that brings it.
"""
