"""An MCP server over metrics, read-only: `novaql mcp`.

`tools.py` has the tools, `backends.py` what they query (a source in this process, or a server over
HTTP), `bounds.py` the size of answers, `serving.py` the transports.
"""
