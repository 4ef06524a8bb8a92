"""A foreign BitTorrent client for the tests: a libtorrent session that obeys JSON lines.

Each line on standard input is an object with the member `do`; each is answered by one line. It
also makes v2 and hybrid torrents, since the program's own code must not judge itself.
"""

import json
import sys
import time

import libtorrent as lt

SETTINGS = {
    "listen_interfaces": "127.0.0.1:0",
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_incoming_utp": False,
    "enable_outgoing_utp": False,
    "allow_multiple_connections_per_ip": True,
    "min_reconnect_time": 1,
    "max_failcount": 1000,
    "alert_mask": 0,
    "validate_https_trackers": True,
}
KINDS = {"v1": lt.create_torrent.v1_only, "v2": lt.create_torrent.v2_only, "hybrid": 0}

# libtorrent's `errors::tracker_failure`; the binding names no error codes.
TRACKER_FAILURE = 173


class Peer:
    def __init__(self, overrides):
        self.session = lt.session({**SETTINGS, **overrides})
        self.torrents = {}
        self.failed_pieces = 0

    def port(self, _):
        return {"port": self.session.listen_port(), "version": lt.__version__}

    def make(self, ask):
        """A .torrent of the file or folder `path`; the payload lies in `parent`."""
        storage = lt.file_storage()
        lt.add_files(storage, ask["path"])
        maker = lt.create_torrent(storage, ask["piece_bytes"], KINDS[ask["kind"]])
        maker.set_priv(ask.get("private", False))
        for url in ask.get("trackers", []):
            maker.add_tracker(url)
        lt.set_piece_hashes(maker, ask["parent"])
        with open(ask["out"], "wb") as out:
            out.write(lt.bencode(maker.generate()))
        return self.hashes(lt.torrent_info(ask["out"]).info_hashes())

    def hashes(self, both):
        v1 = str(both.v1) if both.has_v1() else None
        v2 = str(both.v2) if both.has_v2() else None
        return {"v1": v1, "v2": v2}

    def add(self, ask):
        """A torrent file or magnet link under the caller's own name `id`."""
        if "magnet" in ask:
            params = lt.parse_magnet_uri(ask["magnet"])
        else:
            params = lt.add_torrent_params()
            params.ti = lt.torrent_info(ask["torrent"])
        params.save_path = ask["save"]
        params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
        if ask.get("upload_limit"):
            params.upload_limit = ask["upload_limit"]
        if ask.get("download_limit"):
            params.download_limit = ask["download_limit"]
        self.torrents[ask["id"]] = self.session.add_torrent(params)
        return {}

    def remove(self, ask):
        self.session.remove_torrent(self.torrents.pop(ask["id"]))
        return {}

    def connect(self, ask):
        self.torrents[ask["id"]].connect_peer((ask["ip"], ask["port"]))
        return {}

    def limit(self, ask):
        self.torrents[ask["id"]].set_upload_limit(ask["upload_limit"])
        return {}

    def status(self, ask):
        now = self.torrents[ask["id"]].status()
        error = now.errc.message() if now.errc.value() else ""
        return {"progress": now.progress, "is_seeding": now.is_seeding, "peers": now.num_peers,
                "up": now.total_payload_upload, "down": now.total_payload_download,
                "has_metadata": now.has_metadata, "error": error}

    def peers(self, ask):
        """Who is connected, and how: tells whether a peer came by DHT, PEX or LSD."""
        sources = {"tracker": lt.peer_info.tracker, "dht": lt.peer_info.dht,
                   "pex": lt.peer_info.pex, "lsd": lt.peer_info.lsd}
        return {"peers": [
            {"ip": one.ip[0], "port": one.ip[1], "client": one.client.decode(errors="replace"),
             "sources": [name for name, flag in sources.items() if one.source & flag]}
            for one in self.torrents[ask["id"]].get_peer_info()]}

    def pieces(self, ask):
        """Which pieces passed their hash, and how many did not so far; needs status alerts."""
        for alert in self.session.pop_alerts():
            self.failed_pieces += isinstance(alert, lt.hash_failed_alert)
        torrent = self.torrents[ask["id"]]
        have = torrent.status(lt.torrent_handle.query_pieces).pieces
        return {"have": [index for index, there in enumerate(have) if there],
                "bad": self.failed_pieces, "count": torrent.torrent_file().num_pieces(),
                "piece_bytes": torrent.torrent_file().piece_length()}

    def forget_alerts(self, _):
        self.session.pop_alerts()
        return {}

    def wait_alone(self, ask):
        """Waits until the last connection of a torrent has ended, told by the session's events."""
        end = time.monotonic() + ask["limit_s"]
        while self.torrents[ask["id"]].status().num_peers > 0:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError("still connected")
            self.session.wait_for_alert(int(left * 1000))
            self.session.pop_alerts()
        return {}

    def refused(self, ask):
        """Whether the first tracker answered with a failure, on any socket."""
        entry = self.torrents[ask["id"]].trackers()[0]
        errors = [one["last_error"] for socket in entry["endpoints"]
                  for one in socket["info_hashes"]]
        return {"refused": any(error["category"] == "libtorrent"
                               and error["value"] == TRACKER_FAILURE for error in errors)}


def main():
    peer = Peer(json.loads(sys.argv[1]))
    for line in sys.stdin:
        ask = json.loads(line)
        try:
            answer = getattr(peer, ask["do"])(ask)
        except Exception as trouble:  # the test decides what a failure means
            answer = {"failed": f"{type(trouble).__name__}: {trouble}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
