"""An MCP server over metrics, read-only: `novaql mcp`.

`tools.py` has the tools, `backends.py` the data that they query (a source in this process, or a
server over HTTP), `bounds.py` the limits of answers, `serving.py` the transports.
"""
