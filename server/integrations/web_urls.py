"""URLs in answers of other systems, which people open in a browser."""

from __future__ import annotations

from urllib.parse import urlsplit


def is_web_url(text: str) -> bool:
    """Whether a browser loads a page from a host when it opens the URL: `javascript:` does not."""
    try:
        parsed = urlsplit(text)
        return parsed.scheme in ("https", "http") and bool(parsed.hostname)
    except ValueError:  # http://[::1 for example
        return False
