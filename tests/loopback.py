"""A small HTTP server on the loopback address, and a machine without data, for tests of downloads."""

import http.server
import re
import threading

import pytest

from kerasette.datasets import _files


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `server.files`, with Range unless `server.ranges` is off; breaks off as `server.breaks` says."""

    def do_GET(self):
        server = self.server
        server.requests.append((self.path, self.headers.get("Range")))
        body = server.files.get(self.path)
        if body is None:
            self.send_error(404)
            return
        begin = 0
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if wanted and server.ranges:
            begin = int(wanted[1])
            if begin >= len(body):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(body) - begin))
        self.end_headers()
        end = begin + server.breaks.pop(0) if server.breaks else len(body)
        self.wfile.write(body[begin:end])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    """A server on the loopback address; `server.url` ends in a slash."""
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.files, made.requests, made.breaks, made.ranges = {}, [], [], True
    made.url = f"http://127.0.0.1:{made.server_port}/"
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def empty_machine(monkeypatch, tmp_path, no_proxy):
    """No data anywhere: no checkout, no KERASETTE_DATA, an empty cache. Returns the cache."""
    monkeypatch.delenv("KERASETTE_DATA", raising=False)
    monkeypatch.setenv("KERASETTE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(_files, "local_roots", lambda: iter(()))
    return tmp_path / "cache"
