"""cove as the side-by-side benchmark sees it: a `Client` of the harness.

    bench.py download --adapter bench/cove_adapter.py --clients cove,qbittorrent

The environment variable COVE names the program; without it the release build of
this repository is taken. Settings that the benchmark's rules do not name are
cove's defaults.
"""
import base64
import json
import os
import shutil
import subprocess
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlencode

from adapters.base import API_PORT, PEER_PORT, Client, State
from lab.netns import API_HOST

RELEASE = Path(__file__).resolve().parent.parent / "target/release/cove"
BATCH = 100
TIMEOUT_S = 120


class Cove(Client):
    name = "cove"
    program = os.environ.get("COVE") or str(RELEASE)

    def __init__(self, home):
        super().__init__(home)
        self._state_dir = self.home / "state"
        self._link = Link(self._state_dir / "api-token")

    def available(self):
        return shutil.which(self.program) is not None

    def version(self):
        return subprocess.run([self._absolute(), "--version"], capture_output=True, text=True,
                              check=True).stdout.strip()

    # --- life -----------------------------------------------------------------
    def configure(self):
        self._state_dir.mkdir(mode=0o700, exist_ok=True)
        (self.home / "downloads").mkdir(exist_ok=True)
        self._link.close()

    def command(self):
        settings = {
            "api.bind": f"{API_HOST}:{API_PORT}",
            "tracker.http.bind": "",
            "client.listen": f"0.0.0.0:{PEER_PORT}",
            "client.download_dir": self.home / "downloads",
            "client.roots": self.home.parent.parent,    # the harness's work folder
            "client.dht": "false", "client.pex": "false", "client.lsd": "false",
            "client.upnp": "false", "client.natpmp": "false", "client.utp": "off",
            "client.settings.in_enc_policy": 2, "client.settings.out_enc_policy": 2,
        }
        pairs = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        return [self._absolute(), "serve", "--state-dir", str(self._state_dir), *pairs]

    def ready(self):
        self._link.get("/downloads")
        return True

    # --- torrents -------------------------------------------------------------
    def add(self, torrent, save):
        self._link.add(torrent, save)

    def add_many(self, torrents, save):
        """Many in one request, as the harness has qBittorrent do it."""
        for first in range(0, len(torrents), BATCH):
            self._link.add_many(torrents[first:first + BATCH], save)

    def state(self, torrent):
        body = self._link.get("/api/downloads?" + urlencode({"infohash": torrent.info_hash}))
        for row in json.loads(body)["downloads"]:
            if row["infohash"] == torrent.info_hash:
                return State(row["progress"], self._seeding(row))
        return State(0.0, False)

    def fetch_list(self):
        return self._link.get("/downloads")

    def rows(self, body):
        return [self._seeding(row) for row in json.loads(body)["downloads"]]

    @staticmethod
    def _seeding(row):
        if row["error"]:
            raise RuntimeError(f"{row['name']}: {row['error']}")
        return row["status"] == "SEEDING"

    def _absolute(self):
        """The process starts in another folder, so a relative path would not be found."""
        return str(Path(shutil.which(self.program)).resolve())


class Link:
    """One kept-alive connection to the API; made again when the server let it go."""

    def __init__(self, token_path):
        self.token_path = token_path
        self._connection = None
        self._headers = {}

    def close(self):
        if self._connection:
            self._connection.close()
        self._connection = None

    def get(self, path):
        return self._call("GET", path)

    def add(self, torrent, save):
        self._call("PUT", "/api/downloads?" + urlencode({"destination": str(save)}),
                   torrent.path.read_bytes(), {"Content-Type": "application/x-bittorrent"})

    def add_many(self, torrents, save):
        wishes = [{"torrent": base64.b64encode(torrent.path.read_bytes()).decode(),
                   "save_path": str(save)} for torrent in torrents]
        answer = json.loads(self._call("POST", "/v1/torrents/bulk-add",
                                       json.dumps({"torrents": wishes}).encode(),
                                       {"Content-Type": "application/json"}))
        if answer["failed"]:
            raise OSError(f"bulk-add: {next(r for r in answer['results'] if r['problem'])}")

    def _call(self, method, path, body=None, headers=None):
        was_open = self._connection is not None
        try:
            status, answer = self._send(method, path, body, headers or {})
        except (HTTPException, ConnectionError):
            self.close()
            if not was_open:
                raise
            status, answer = self._send(method, path, body, headers or {})
        if status != 200:
            raise OSError(f"{method} {path}: {status} {answer[:200]!r}")
        return answer

    def _send(self, method, path, body, headers):
        if self._connection is None:
            self._headers = {"X-Api-Key": self.token_path.read_text().strip()}
            self._connection = HTTPConnection(API_HOST, API_PORT, timeout=TIMEOUT_S)
        self._connection.request(method, path, body, self._headers | headers)
        reply = self._connection.getresponse()
        return reply.status, reply.read()
