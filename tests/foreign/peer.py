"""A foreign client for the tests: a libtorrent session that obeys JSON lines on standard input.

Each line is {"do": NAME, ...}; each answer is one JSON line. Waiting happens here, on alerts.
"""
import json
import os
import sys
import time
import warnings

warnings.simplefilter("ignore")   # newer wheels deprecate what older ones need

import libtorrent as lt

LIMIT_S = 60


def author(ask):
    """A torrent of `path`: v1, v2 or hybrid; writes it to `to`."""
    files = lt.file_storage()
    lt.add_files(files, ask["path"])
    flags = {"v1": lt.create_torrent.v1_only, "v2": lt.create_torrent.v2_only, "hybrid": 0}
    torrent = lt.create_torrent(files, ask.get("piece_length", 1 << 16), flags[ask["kind"]])
    torrent.set_priv(ask.get("private", False))
    for url in ask.get("trackers", []):
        torrent.add_tracker(url)
    lt.set_piece_hashes(torrent, os.path.dirname(ask["path"]))
    with open(ask["to"], "wb") as out:
        out.write(lt.bencode(torrent.generate()))
    hashes = lt.torrent_info(ask["to"]).info_hashes()
    best = hashes.v1 if hashes.has_v1() else hashes.v2
    return {"hash": str(best)[:40], "v2": str(hashes.v2) if hashes.has_v2() else None}


class Peer:
    def __init__(self, settings):
        off = {name: False for name in (
            "enable_dht", "enable_lsd", "enable_upnp", "enable_natpmp",
            "enable_outgoing_utp", "enable_incoming_utp")}
        mask = lt.alert.category_t.status_notification | lt.alert.category_t.error_notification
        self.session = lt.session({
            **off, "listen_interfaces": "127.0.0.1:0", "alert_mask": int(mask),
            "allow_multiple_connections_per_ip": True, **settings})
        self.torrents = {}

    def port(self, _):
        while not self.session.listen_port():
            self.session.wait_for_alert(100)
            self.session.pop_alerts()
        return {"port": self.session.listen_port()}

    def add(self, ask):
        if "torrent" in ask:
            params = lt.add_torrent_params()
            params.ti = lt.torrent_info(ask["torrent"])
        else:
            params = lt.parse_magnet_uri(ask["magnet"])
        params.save_path = ask["save"]
        params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
        params.upload_limit = ask.get("upload_limit", 0)
        handle = self.session.add_torrent(params)
        self.torrents[ask["id"]] = handle
        return {}

    def connect(self, ask):
        self.torrents[ask["id"]].connect_peer(("127.0.0.1", ask["port"]))
        return {}

    def wait_seeding(self, ask):
        handle = self.torrents[ask["id"]]
        end = time.monotonic() + ask.get("limit", LIMIT_S)
        while not handle.status().is_seeding:
            if time.monotonic() > end:
                raise TimeoutError(str(handle.status().state))
            self.session.wait_for_alert(100)
            self.session.pop_alerts()
        return {}

    def peers(self, ask):
        return {"peers": [peer.client.decode() for peer in self.torrents[ask["id"]].get_peer_info()]}


def main():
    peer = Peer(json.loads(sys.argv[1]) if len(sys.argv) > 1 else {})
    for line in sys.stdin:
        ask = json.loads(line)
        try:
            answer = author(ask) if ask["do"] == "author" else getattr(peer, ask["do"])(ask)
        except Exception as trouble:   # the test shows it
            answer = {"error": f"{type(trouble).__name__}: {trouble}"}
        print(json.dumps(answer), flush=True)


main()
