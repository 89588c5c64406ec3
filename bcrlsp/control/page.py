"""The live page and its JSON, at an address of this machine alone."""

import json
import math
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from bcrlsp.control.monitor import Board
from bcrlsp.errors import UserError

_PAGE = Path(__file__).parent / "page.html"


class Page:
    """Serves a board at http://127.0.0.1:port until `close`.

    `/` the page, `/health` the newest status (200; 503 while there is an alarm or none yet),
    `/points` the last ones. port: 0 takes any free one. Raises UserError where it is taken.
    """

    def __init__(self, board: Board, port: int) -> None:
        handler = type("Handler", (_Handler,), {"board": board})
        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        except OSError as error:
            raise UserError(
                f"control.port = {port} cannot be used ({error.strerror}); give another, 0 for any "
                "free one, or null for no page"
            ) from None
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    board: Board

    def do_GET(self) -> None:
        """The page, or JSON."""
        path = self.path.split("?")[0]
        if path == "/":
            self._send(200, "text/html; charset=utf-8", _PAGE.read_bytes())
        elif path == "/health":
            health = self.board.health()
            self._json(200 if health["state"] == "ok" else 503, health)
        elif path == "/points":
            self._json(200, {"title": self.board.title, "points": self.board.points()})
        else:
            self._json(404, {"error": f"no {path}; there are /, /health and /points"})

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: stdout and stderr are the command's."""

    def _json(self, code: int, content: Any) -> None:
        self._send(code, "application/json", json.dumps(_finite(content)).encode())

    def _send(self, code: int, kind: str, content: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)


def _finite(value: Any) -> Any:
    """The same with null for numbers that JSON has not."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
