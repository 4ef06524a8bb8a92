"""From a folder to a stranger's first byte; see bench/share.sh, which says what the variables are.

    share.py WORK RESULTS.json

Prints Markdown. The leecher is the libtorrent wheel, started and waiting before the clock runs; it
gets the torrent file as a friend would. The payload is in the page cache.
"""
import hashlib
import json
import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import libtorrent as lt

from api import PEERS, Cove, QBittorrent, Server, free_port

SIZE_MIB = int(os.environ.get("SIZE_MIB", "1024"))
REPEAT = int(os.environ.get("REPEAT", "5"))
WAYS = os.environ.get("WAYS", "cove,qbittorrent,rqbit").split(",")
FILES = 8
PIECE = 1 << 20


def make_payload(folder):
    """Nothing in it repeats, so that nobody can hash less than all of it."""
    folder.mkdir()
    for number in range(FILES):
        with open(folder / f"part {number}", "wb") as file:
            for _ in range(SIZE_MIB // FILES):
                file.write(os.urandom(PIECE))
    # rqbit 9.1.0 gives a folder of whole pieces one hash too many, which libtorrent refuses.
    (folder / "notes").write_bytes(b"for friends")
    subprocess.run(["sync"], check=True)


def sha1_limit(folder):
    """Seconds that SHA-1 alone takes for as much, from memory, on all processors."""
    pieces = [os.urandom(PIECE) for _ in range(64)]
    cores = len(os.sched_getaffinity(0))

    def hash_share(first):
        # hashlib lets go of the interpreter's lock while it hashes.
        for number in range(first, SIZE_MIB, cores):
            hashlib.sha1(pieces[number % len(pieces)]).digest()
    begin = time.perf_counter()
    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(hash_share, range(cores)))
    return time.perf_counter() - begin


class Leecher:
    """Waits for a torrent file; says when the first byte of payload came. A process of its own each
    time: libtorrent remembers the tracker of an address for as long as its process lives."""

    def __init__(self, folder):
        folder.mkdir()
        self.process = subprocess.Popen([sys.executable, __file__, "leecher", str(folder)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "waiting\n":
            raise RuntimeError("the leecher did not start")

    def first_byte(self, torrent):
        """When it came, by the clock that all processes share."""
        answer, _ = self.process.communicate(f"{torrent}\n", timeout=90)
        return float(answer)


def leech(folder):
    session = lt.session({
        # An address of its own: libtorrent keeps one peer of each, and a tracker may tell it of
        # itself.
        "listen_interfaces": f"127.0.0.2:{free_port()}", "enable_dht": False,
        "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False})
    print("waiting", flush=True)
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(sys.stdin.readline().strip())
    params.save_path = folder
    # Else it would wait for up to a second until its queue starts the torrent.
    params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    handle = session.add_torrent(params)
    end = time.monotonic() + 60
    while handle.status().total_payload_download == 0:
        if time.monotonic() > end:
            sys.exit(f"no byte came: {handle.trackers()}")
        time.sleep(0.001)
    print(time.perf_counter(), flush=True)
    # Nobody waits for its goodbye.
    os._exit(0)


def row(who, steps, times):
    begin, made, handed_out, first = times
    return {"who": who, "steps": steps, "make_s": made - begin, "hand_out_s": handed_out - made,
            "first_byte_s": first - handed_out, "all_s": first - begin}


def with_cove(work, payload):
    """`cove share`, `cove friend add`, `cove friend invite`: as somebody types them."""
    port = free_port()
    server = Cove(work / "cove")
    server.more = {"tracker.udp.bind": f"127.0.0.1:{port}", "tracker.http.bind": f"127.0.0.1:{port}",
                   "client.roots": str(work)}.items()
    server.start()
    try:
        leecher = Leecher(work / "leecher")
        state = ["--state-dir", str(server.home / "state"), "--json"]

        def cove(*words):
            return subprocess.run([server.program, *words, *state], check=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        begin = time.perf_counter()
        share = json.loads(cove("share", str(payload)))
        shared = time.perf_counter()
        file = work / "anna.torrent"
        cove("friend", "add", "Anna")
        cove("friend", "invite", "Anna", share["info_hash"], "--torrent", str(file))
        invited = time.perf_counter()
        first = leecher.first_byte(file)
    finally:
        server.stop()
    return row(f"cove {server_version(server)}", 3, (begin, shared, invited, first))


def server_version(server):
    return subprocess.run([server.program, "--version"], capture_output=True,
                          text=True, check=True).stdout.split()[-1]


def with_qbittorrent(work, payload):
    """Its embedded tracker, and its creator's own call of libtorrent, made through the wheel, since
    this version's creator is in its windows only."""
    server, port = QBittorrent(work / "qbittorrent"), free_port()
    server.start()
    try:
        leecher = Leecher(work / "leecher")
        version = server.version()
        begin = time.perf_counter()
        wish = json.dumps({"enable_embedded_tracker": True, "embedded_tracker_port": port})
        server.call("POST", "/api/v2/app/setPreferences", f"json={wish}",
                    {"Content-Type": "application/x-www-form-urlencoded"})
        made = lt.create_torrent(lt.list_files(str(payload)), 0, lt.create_torrent.v1_only)
        made.add_tracker(f"http://127.0.0.1:{port}/announce")
        made.set_priv(True)
        lt.set_piece_hashes(made, str(payload.parent))
        torrent, file = lt.bencode(made.generate()), work / "anna.torrent"
        file.write_bytes(torrent)
        created = time.perf_counter()
        add_complete(server, torrent, payload.parent)
        while server.done() == 0:
            time.sleep(0.01)
        added = time.perf_counter()
        first = leecher.first_byte(file)
    finally:
        server.stop()
    return row(f"qbittorrent {version}", 4, (begin, created, added, first))


def add_complete(server, torrent, folder):
    mark, body = "benchmark-mark", b""
    fields = {"savepath": str(folder), "skip_checking": "true", "contentLayout": "Original"}
    for name, value in fields.items():
        body += (f'--{mark}\r\nContent-Disposition: form-data; name="{name}"'
                 f"\r\n\r\n{value}\r\n").encode()
    body += (f'--{mark}\r\nContent-Disposition: form-data; name="torrents"; '
             'filename="a.torrent"\r\nContent-Type: application/x-bittorrent\r\n\r\n').encode()
    body += torrent + f"\r\n--{mark}--\r\n".encode()
    server.call("POST", "/api/v2/torrents/add", body,
                {"Content-Type": f"multipart/form-data; boundary={mark}"})


class AquaticHttp(Server):
    """A tracker of its own, since rqbit has none. It serves whoever knows the info-hash."""
    name, program = "aquatic_http", PEERS / "bin/aquatic_http"

    def command(self):
        config = self.home / "config.toml"
        config.write_text("socket_workers = 1\nswarm_workers = 1\n"
                          f'[network]\naddress = "127.0.0.1:{self.port}"\n')
        return [str(self.program), "-c", str(config)]

    def ready(self):
        # It keeps no connection open that asked for something else.
        try:
            return self.seeders(bytes(20)) == 0
        finally:
            self.link = None

    def seeders(self, info_hash):
        answer = self.call("GET", f"/scrape?info_hash={quote(info_hash)}")
        self.link = None
        _, found, rest = answer.partition(b"8:completei")
        return int(rest.partition(b"e")[0]) if found else 0


class Rqbit(Server):
    """`rqbit share FOLDER TRACKER`: makes the torrent, which is public, and seeds it."""
    name, program = "rqbit", PEERS / "bin/rqbit"

    def __init__(self, home, folder, tracker):
        super().__init__(home)
        self.folder, self.tracker = folder, tracker

    def command(self):
        return [str(self.program), "--disable-dht", "--disable-lsd",
                "--disable-upnp-port-forward", "--ipv4-only", "--listen-ip", "127.0.0.1",
                # Else it tells the tracker another port than the one it listens on.
                "--listen-port", str(self.peer_port), "--announce-port", str(self.peer_port),
                "--http-api-listen-addr", f"127.0.0.1:{self.port}",
                "share", str(self.folder), f"http://127.0.0.1:{self.tracker.port}/announce"]

    def ready(self):
        return bool(self.torrent())

    def torrent(self):
        listed = json.loads(self.call("GET", "/torrents"))["torrents"]
        return listed[0]["info_hash"] if listed else None

    def version(self):
        return subprocess.run([self.program, "--version"], capture_output=True, text=True,
                              check=True).stdout.split()[-1]

    def is_whole(self):
        return json.loads(self.call("GET", "/torrents/0/stats/v1"))["finished"]


def with_rqbit(work, payload):
    """Its `share`, and a tracker that is started before; the friend gets the .torrent that its API
    hands out, as soon as the tracker knows of a seeder."""
    tracker = AquaticHttp(work / "tracker")
    leecher = Leecher(work / "leecher")
    server = Rqbit(work / "rqbit", payload, tracker)
    version = server.version()
    begin = time.perf_counter()
    tracker.start()
    try:
        server.start()
        try:
            created = time.perf_counter()
            info_hash = bytes.fromhex(server.torrent())
            # It hashes all of it once more before it seeds.
            while not server.is_whole() or tracker.seeders(info_hash) == 0:
                time.sleep(0.01)
            file = work / "anna.torrent"
            file.write_bytes(server.call("GET", "/torrents/0/metadata"))
            shared = time.perf_counter()
            first = leecher.first_byte(file)
        finally:
            server.stop()
    finally:
        tracker.stop()
    return row(f"rqbit {version} with aquatic_http", 3, (begin, created, shared, first))


def main(work, results):
    work, rows, limits = Path(work).resolve(), [], []
    payload = work / "a folder"
    make_payload(payload)
    ways = [with_cove] + ([with_qbittorrent] if QBittorrent.program else [])
    ways += [with_rqbit] if Rqbit.program.exists() and AquaticHttp.program.exists() else []
    ways = [way for way in ways if way.__name__.removeprefix("with_") in WAYS]
    for number in range(REPEAT):
        limits.append(sha1_limit(payload))
        for way in ways:
            place = work / f"{way.__name__} {number}"
            place.mkdir()
            # Every run its own copy of nothing: the payload is hard-linked, not shared twice.
            own = place / payload.name
            own.mkdir()
            for file in payload.iterdir():
                os.link(file, own / file.name)
            rows.append(way(place, own))
    Path(results).write_text(json.dumps({"sha1_limit_s": limits, "rows": rows}, indent=1))
    report(rows, limits)


def report(rows, limits):
    limit = statistics.median(limits)
    print("# From a folder to the first byte\n")
    print(f"{SIZE_MIB} MiB, {REPEAT} repeats, medians; SHA-1 alone on all processors takes "
          f"{limit:.2f} s ({SIZE_MIB / 1024 / limit:.2f} GiB/s).\n")
    print("| with | steps | torrent made, s | handed out, s | first byte after that, s | in all, s "
          "| SHA-1 limit / torrent made |\n|---|---:|---:|---:|---:|---:|---:|")
    for who in dict.fromkeys(row["who"] for row in rows):
        mine = [row for row in rows if row["who"] == who]
        middle = {key: statistics.median(row[key] for row in mine)
                  for key in ("steps", "make_s", "hand_out_s", "first_byte_s", "all_s")}
        print(f"| {who} | {middle['steps']:.0f} | {middle['make_s']:.2f} | "
              f"{middle['hand_out_s']:.2f} | {middle['first_byte_s']:.2f} | {middle['all_s']:.2f} | "
              f"{limit / middle['make_s']:.2f} |")


if __name__ == "__main__":
    leech(sys.argv[2]) if sys.argv[1] == "leecher" else main(*sys.argv[1:])
