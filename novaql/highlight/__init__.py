"""Colours for queries: a lexer for Pygments (`lexer.py`) and a TextMate grammar (`textmate.py`),
both built from the terminals in `grammar/lexical.lark` and the registry of functions
(`words.py`)."""
