"""The shell `novaql repl`: `session.py` runs queries and dot commands, `commands.py` has the dot
commands, `prompt.py` reads lines with completion, history and colours."""
