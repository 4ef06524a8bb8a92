"""Cove for the side-by-side benchmark of clients (its `bench.py --adapter` loads this file).

The rules are the harness's: DHT, PEX, LSD, port mapping, uTP and encryption off, everything else
as Cove comes. The program is `$COVE`, else `target/release/cove` of this tree.
"""

import http.client
import json
import os
import threading
import urllib.parse
from pathlib import Path

from adapters.base import API_PORT, PEER_PORT, Client, State
from lab.netns import API_HOST

CONNECTIONS = 4     # that `add_many` uses side by side; a browser has six
TREE = Path(__file__).resolve().parent.parent


class Cove(Client):
    name = "cove"

    @property
    def program(self):
        return os.environ.get("COVE") or str(TREE / "target/release/cove")

    def available(self):
        return os.access(self.program, os.X_OK)

    def configure(self):
        self.state_dir = self.home / "state"
        self.downloads = self.home / "downloads"
        self.downloads.mkdir(parents=True, exist_ok=True)
        self._token = None

    def command(self):
        # Payload lies beside the homes of the clients, in one folder of the harness.
        work = self.home.parent.parent
        roots = [self.downloads, *(work / name for name in ("payload", "download", "leech", "small"))]
        values = {
            "api.bind": f"{API_HOST}:{API_PORT}",
            "client.listen": f"0.0.0.0:{PEER_PORT}",
            "client.download_dir": self.downloads,
            "client.roots": ",".join(map(str, roots)),
            "client.dht": "false",
            "client.pex": "false",
            "client.lsd": "false",
            "client.upnp": "false",
            "client.natpmp": "false",
            "client.utp": "off",
            "client.settings.in_enc_policy": 2,
            "client.settings.out_enc_policy": 2,
        }
        sets = [word for key, value in values.items() for word in ("--set", f"{key}={value}")]
        return [self.program, "serve", "--state-dir", str(self.state_dir), *sets]

    def headers(self):
        if self._token is None:
            self._token = (self.state_dir / "api-token").read_text().strip()
        return {"X-Api-Key": self._token}

    def ready(self):
        reply = self.http.get(self.url("/downloads"), headers=self.headers(), timeout=5)
        return reply.status_code == 200

    def version(self):
        import subprocess
        shown = subprocess.run([self.program, "--version"], capture_output=True, text=True, check=True)
        return shown.stdout.split()[-1]

    def add(self, torrent, save):
        self._put_all([torrent], save)

    def add_many(self, torrents, save):
        trouble = []

        def put(part):
            try:
                self._put_all(part, save)
            except Exception as one:    # shown by the thread that waits
                trouble.append(one)
        parts = [torrents[first::CONNECTIONS] for first in range(CONNECTIONS)]
        threads = [threading.Thread(target=put, args=(part,)) for part in parts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if trouble:
            raise trouble[0]

    def _put_all(self, torrents, save):
        """Torrents one after the other over one connection that is kept."""
        line = http.client.HTTPConnection(API_HOST, API_PORT, timeout=120)
        path = "/downloads?" + urllib.parse.urlencode({"destination": str(save)})
        headers = {**self.headers(), "Content-Type": "application/x-bittorrent"}
        for torrent in torrents:
            line.request("PUT", path, body=torrent.path.read_bytes(), headers=headers)
            reply = line.getresponse()
            text = reply.read()
            if reply.status != 200:
                raise RuntimeError(f"{reply.status}: {text[:200]!r}")
        line.close()

    def state(self, torrent):
        for row in json.loads(self.fetch_list())["downloads"]:
            if row["infohash"] == torrent.info_hash:
                return State(row["progress"], self._seeding(row))
        return State(0.0, False)

    def fetch_list(self):
        return self.http.get(self.url("/downloads"), headers=self.headers(), timeout=120).content

    def rows(self, body):
        return [self._seeding(row) for row in json.loads(body)["downloads"]]

    @staticmethod
    def _seeding(row):
        return row["status"] == "SEEDING" and row["progress"] >= 1
