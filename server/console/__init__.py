"""The console: a web page with a query box, a chart, a table and JSON over `POST /v1/novaql`.

It consists of static files, without a build step, and loads nothing from other servers. The page is
at `/`, and at `/graph` for links as Prometheus writes them, also in the alerts that this server
sends. `/prometheus` leads there: clients look whether the address of a Prometheus answers. The
interactive documentation of the API is at `/docs`, and their files are under `/console/<digest>/`.
The digest covers every file, so browsers can cache the files for a year and still load a new
version at once.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import mimetypes
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from novaql.fast_dataclass import dataclass

STATIC = Path(__file__).parent / "static"

CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)

SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}

_MEDIA_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file of the page, and its media type."""

    body: bytes
    media_type: str


def read_static(folder: Path) -> tuple[dict[str, StaticFile], str]:
    """Read all files below `folder`: relative path with slashes → file, and the digest of all. A
    file that ends in `.gz` is decompressed, and served without this suffix."""
    digest = hashlib.sha256()
    files = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        name = path.relative_to(folder).as_posix()
        body = path.read_bytes()
        if path.suffix == ".gz":
            name, body = name.removesuffix(".gz"), gzip.decompress(body)
        digest.update(f"{name}\0{len(body)}\0".encode() + body)
        guessed = mimetypes.guess_type(name)[0] or "text/plain"
        files[name] = StaticFile(body, _MEDIA_TYPES.get(Path(name).suffix, guessed))
    return files, digest.hexdigest()[:12]


@functools.cache
def _packaged() -> tuple[dict[str, StaticFile], str]:
    """The page's files, once for all applications of a process."""
    return read_static(STATIC)


def mount_console(app: Starlette) -> None:
    """Serve the page at `/` and `/graph`, the API's documentation at `/docs`, and their files under
    `/console/`, without a token.

    The first call reads the files. The application answers an unknown path with its own 404.
    """
    files, digest = _packaged()
    methods = ["GET", "HEAD"]

    def add_page(path: str, file: str, name: str) -> None:
        page = files[file].body.replace(b"{{assets}}", f"/console/{digest}".encode())
        etag = f'"{hashlib.sha256(page).hexdigest()[:16]}"'

        def answer(request: Request) -> Response:
            headers = {**SECURITY_HEADERS, "Cache-Control": "no-cache", "ETag": etag}
            if request.headers.get("if-none-match") == etag:
                return Response(status_code=304, headers=headers)
            return Response(page, media_type=_MEDIA_TYPES[".html"], headers=headers)

        app.add_route(path, answer, methods, name)

    def asset(request: Request) -> Response:
        version, path = request.path_params["version"], request.path_params["path"]
        found = files.get(path)
        if version != digest or found is None or path.endswith(".html"):
            raise HTTPException(404, f"There is no console file {path!r} of version {version!r}.")
        return Response(
            found.body,
            media_type=found.media_type,
            headers={**SECURITY_HEADERS, "Cache-Control": "public, max-age=31536000, immutable"},
        )

    def to_page(request: Request) -> Response:
        query = request.url.query
        return RedirectResponse(f"/?{query}" if query else "/", headers=SECURITY_HEADERS)

    add_page("/", "index.html", "console")
    add_page("/graph", "index.html", "console_graph")
    for path in ("/prometheus", "/prometheus/", "/prometheus/graph"):
        app.add_route(path, to_page, methods, "console_prometheus")
    add_page("/docs", "docs.html", "api_docs")
    app.add_route("/console/{version}/{path:path}", asset, methods, "console_file")
