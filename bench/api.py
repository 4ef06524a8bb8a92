"""The API under measurement; see bench/api.sh, which says what the variables are.

    api.py WORK RESULTS.json

Prints Markdown. Times are those of whole answers over one kept connection, as a client sees them.
"""
import base64
import hashlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlencode

COUNTS = [int(count) for count in os.environ.get("COUNTS", "1000 10000").split()]
CLIENTS = os.environ.get("CLIENTS", "cove,qbittorrent-nox,transmission-daemon").split(",")
CALLS = int(os.environ.get("CALLS", "100"))
SIZE_MIB = int(os.environ.get("SIZE_MIB", "2048"))
PEERS = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "cove/peers"
STREAMS, DEAF = 64, 8
PIECE = 16 << 10
LOAD_S = 10
BULK = 200


def bencode(value):
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, str):
        return bencode(value.encode())
    if isinstance(value, list):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    return b"d" + b"".join(bencode(key) + bencode(value[key]) for key in sorted(value)) + b"e"


def small_torrent(folder, number):
    name, data = f"torrent {number:05}", hashlib.shake_128(b"%d" % number).digest(PIECE)
    (folder / name).write_bytes(data)
    info = {"name": name, "length": PIECE, "piece length": PIECE,
            "pieces": hashlib.sha1(data).digest(), "private": 1}
    return bencode({"info": info})


def big_torrent(folder, mib, announce):
    """Zeros, and a number in each piece: nothing to compress, little to make."""
    pieces, size = b"", 1 << 20
    with open(folder / "big", "wb") as file:
        for number in range(mib):
            piece = number.to_bytes(8, "big") + bytes(size - 8)
            file.write(piece)
            pieces += hashlib.sha1(piece).digest()
    info = {"name": "big", "length": mib * size, "piece length": size, "pieces": pieces}
    return bencode({"info": info, "announce": announce})


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Server:
    """A program with an API on loopback; `call` keeps its connection."""

    libraries = Path("none of its own")

    def __init__(self, home):
        self.home, self.port, self.peer_port = Path(home), free_port(), free_port()
        self.home.mkdir(parents=True)
        self.process = self.link = None
        self.headers = {}

    def start(self):
        log = open(self.home / "log", "ab")
        folders = sorted({str(file.parent) for file in self.libraries.rglob("*.so*")})
        env = {**os.environ, "HOME": str(self.home), "LD_LIBRARY_PATH": ":".join(folders)}
        self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, env=env,
                                        stdin=subprocess.DEVNULL, cwd=self.home)
        end = time.monotonic() + 120
        while time.monotonic() < end:
            try:
                if self.ready():
                    return
            except (OSError, ValueError, KeyError, http.client.HTTPException):
                self.link = None
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended: see {self.home}/log")
            time.sleep(0.02)
        raise TimeoutError(f"{self.name} has no API")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def call(self, method, path, body=None, headers=None, expect=range(200, 300)):
        if self.link is None:
            self.link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        self.link.request(method, path, body, {**self.headers, **(headers or {})})
        reply = self.link.getresponse()
        answer = reply.read()
        if reply.status not in expect:
            raise ValueError(f"{self.name}: {method} {path}: {reply.status} {answer[:200]!r}")
        self.reply = reply
        return answer

    def memory(self):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) << 10


class Cove(Server):
    name = "cove"
    program = os.environ["COVE"]
    more = ()

    def command(self):
        (self.home / "downloads").mkdir(exist_ok=True)
        settings = {
            "api.bind": f"127.0.0.1:{self.port}", "client.listen": f"127.0.0.1:{self.peer_port}",
            "api.limits.max_connections_per_address": 250,
            "client.download_dir": self.home / "downloads", "client.roots": self.home.parent,
            "client.dht": "false", "client.pex": "false", "client.lsd": "false",
            "client.upnp": "false", "client.natpmp": "false", "tracker.http.bind": "",
            "tracker.udp.bind": "", **dict(self.more)}
        pairs = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        return [self.program, "serve", "--state-dir", str(self.home / "state"), *pairs]

    def ready(self):
        token = (self.home / "state/api-token").read_text().strip()
        self.headers = {"Authorization": f"Bearer {token}"}
        return bool(self.call("GET", "/v1/stats"))

    def version(self):
        stats = json.loads(self.call("GET", "/v1/stats"))
        return f"{stats['version']} lt {stats['libtorrent_version']}"

    def add(self, torrents, folder):
        for first in range(0, len(torrents), BULK):
            rows = [{"torrent": base64.b64encode(one).decode(), "save_path": str(folder)}
                    for one in torrents[first:first + BULK]]
            self.call("POST", "/v1/torrents/bulk-add", json.dumps({"torrents": rows}),
                      {"Content-Type": "application/json"})

    def done(self):
        return json.loads(self.call("GET", "/v1/torrents?limit=1&filter=is:seeding"))["total"]

    def lists(self):
        page = {"limit": 100, "sort": "-name", "filter": "is:seeding"}
        return {"whole": lambda: self.call("GET", "/v1/torrents"),
                "page": lambda: self.call("GET", "/v1/torrents?" + urlencode(page))}


class QBittorrent(Server):
    name, program = "qbittorrent-nox", shutil.which("qbittorrent-nox")

    def command(self):
        conf = self.home / "qBittorrent/config/qBittorrent.conf"
        if not conf.exists():
            conf.parent.mkdir(parents=True)
            conf.write_text(
                "[LegalNotice]\nAccepted=true\n\n[BitTorrent]\nSession\\DHTEnabled=false\n"
                "Session\\LSDEnabled=false\nSession\\PeXEnabled=false\n"
                f"Session\\Port={self.peer_port}\nSession\\Interface=lo\n"
                "Session\\InterfaceName=lo\nSession\\QueueingSystemEnabled=false\n"
                "Session\\MaxActiveCheckingTorrents=100\n"
                "Session\\DisableAutoTMMByDefault=true\n\n"
                "[Network]\nPortForwardingEnabled=false\n\n[Preferences]\n"
                "WebUI\\Address=127.0.0.1\nWebUI\\LocalHostAuth=false\n"
                "WebUI\\CSRFProtection=false\nWebUI\\HostHeaderValidation=false\n"
                "WebUI\\UseUPnP=false\nConnection\\UPnP=false\n"
                f"WebUI\\Port={self.port}\n")
        return [self.program, f"--profile={self.home}", f"--webui-port={self.port}"]

    def ready(self):
        return bool(self.call("GET", "/api/v2/app/version"))

    def version(self):
        build = json.loads(self.call("GET", "/api/v2/app/buildInfo"))
        return self.call("GET", "/api/v2/app/version").decode() + " lt " + build["libtorrent"]

    def add(self, torrents, folder):
        for first in range(0, len(torrents), BULK):
            mark, body = "benchmark-mark", b""
            fields = {"savepath": str(folder), "contentLayout": "Original"}
            for name, value in fields.items():
                body += (f'--{mark}\r\nContent-Disposition: form-data; name="{name}"'
                         f"\r\n\r\n{value}\r\n").encode()
            for number, one in enumerate(torrents[first:first + BULK]):
                body += (f'--{mark}\r\nContent-Disposition: form-data; name="torrents"; '
                         f'filename="{number}.torrent"\r\n'
                         "Content-Type: application/x-bittorrent\r\n\r\n").encode()
                body += one + b"\r\n"
            body += f"--{mark}--\r\n".encode()
            kind = {"Content-Type": f"multipart/form-data; boundary={mark}"}
            self.call("POST", "/api/v2/torrents/add", body, kind)

    def done(self):
        states = ("uploading", "stalledUP", "forcedUP", "queuedUP")
        rows = json.loads(self.call("GET", "/api/v2/torrents/info"))
        return sum(row["state"] in states for row in rows)

    def lists(self):
        page = urlencode({"limit": 100, "sort": "name", "reverse": "true", "filter": "completed"})
        return {"whole": lambda: self.call("GET", "/api/v2/torrents/info"),
                "page": lambda: self.call("GET", "/api/v2/torrents/info?" + page)}


def unpacked(package, program):
    """A program that scripts/setup.sh has unpacked, if it has."""
    path = PEERS / package / "usr/bin" / program
    return str(path) if path.exists() else None


class Transmission(Server):
    name = "transmission-daemon"
    program = shutil.which(name) or unpacked("transmission", name)
    libraries = PEERS / "transmission/usr/lib"
    fields = ["id", "name", "hashString", "status", "percentDone", "totalSize", "leftUntilDone",
              "rateDownload", "rateUpload", "uploadRatio", "eta", "peersConnected", "downloadDir",
              "addedDate", "doneDate", "error", "errorString", "uploadedEver", "downloadedEver",
              "queuePosition", "isFinished", "trackerStats"]

    def command(self):
        settings = self.home / "settings.json"
        if not settings.exists():
            settings.write_text(json.dumps({
                "dht-enabled": False, "lpd-enabled": False, "pex-enabled": False,
                "utp-enabled": False, "port-forwarding-enabled": False,
                "bind-address-ipv4": "127.0.0.1", "bind-address-ipv6": "::1",
                "peer-port": self.peer_port, "rpc-bind-address": "127.0.0.1",
                "rpc-port": self.port, "rpc-authentication-required": False,
                "rpc-whitelist-enabled": False, "rpc-host-whitelist-enabled": False,
                "download-queue-enabled": False, "seed-queue-enabled": False,
                "queue-stalled-enabled": False, "download-dir": str(self.home)}))
        return [self.program, "-f", "-g", str(self.home)]

    def rpc(self, method, **arguments):
        body = json.dumps({"method": method, "arguments": arguments})
        answer = self.call("POST", "/transmission/rpc", body, expect=(200, 409))
        if self.reply.status == 409:
            self.headers["X-Transmission-Session-Id"] = self.reply.headers["X-Transmission-Session-Id"]
            answer = self.call("POST", "/transmission/rpc", body)
        return answer

    def ready(self):
        return bool(self.rpc("session-get", fields=["version"]))

    def version(self):
        return json.loads(self.rpc("session-get", fields=["version"]))["arguments"]["version"]

    def add(self, torrents, folder):
        for one in torrents:
            self.rpc("torrent-add", metainfo=base64.b64encode(one).decode(),
                     **{"download-dir": str(folder), "paused": True})

    def done(self):
        """Stopped: it looks at one torrent after another for a tenth of a second each."""
        return len(json.loads(self.rpc("torrent-get", fields=["id"]))["arguments"]["torrents"])

    def lists(self):
        """It sorts and pages nothing."""
        return {"whole": lambda: self.rpc("torrent-get", fields=self.fields)}


def wait(what, condition, limit=1800):
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.2)


def times(call, count):
    call()
    taken, size = [], 0
    for _ in range(count):
        begin = time.perf_counter()
        size = len(call())
        taken.append((time.perf_counter() - begin) * 1000)
    taken.sort()
    return {"p50_ms": taken[len(taken) // 2], "p99_ms": taken[min(len(taken) * 99 // 100, len(taken) - 1)],
            "bytes": size, "calls": count}


def measure_lists(work, count):
    folder = work / f"payload {count}"
    folder.mkdir()
    torrents = [small_torrent(folder, number) for number in range(count)]
    rows = []
    for kind in (Cove, QBittorrent, Transmission):
        if kind.name not in CLIENTS:
            continue
        print(f"{count} torrents in {kind.name}", file=sys.stderr, flush=True)
        if not kind.program:
            rows.append({"client": kind.name, "count": count, "error": "not installed"})
            continue
        server = kind(work / f"{kind.name} {count}")
        try:
            server.start()
            server.add(torrents, folder)
            wait(f"{kind.name}: {count} torrents seed", lambda: server.done() == count)
            for name, call in server.lists().items():
                rows.append({"client": kind.name, "version": server.version(), "count": count,
                             "list": name, **times(call, CALLS)})
        except (OSError, ValueError, RuntimeError) as error:
            rows.append({"client": kind.name, "count": count, "error": str(error)})
        finally:
            if server.process:
                server.stop()
            # The next one must find only the payload.
            shutil.rmtree(server.home, ignore_errors=True)
    shutil.rmtree(folder)
    return rows


def announces(server):
    requests = json.loads(server.call("GET", "/v1/stats"))["tracker"]["requests"]
    return requests["udp4"]["announces"]


def measure_under_load(work):
    """Half of the announces that were measured to be the most, by letting the load run half of
    the time, and a download over loopback beside it."""
    load = os.environ.get("UDPLOAD")
    if not load:
        return {"error": "no load tools"}
    folder = work / "big payload"
    folder.mkdir()
    port = free_port()
    torrent = big_torrent(folder, SIZE_MIB, f"udp://127.0.0.1:{port}/announce")
    seeder, server = Cove(work / "seeder"), Cove(work / "loaded")
    # So slow that the download outlasts the measurement: a gigabit line.
    server.more = {"tracker.udp.bind": f"127.0.0.1:{port}", "tracker.mode": "public",
                   "client.limits.download_bytes_per_s": 100_000_000}.items()
    command = [load, f"127.0.0.1:{port}", "--seconds", str(4 * LOAD_S)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    running = None
    try:
        server.start()
        seeder.start()
        running = subprocess.Popen(command, **quiet)
        time.sleep(1)
        before, begin = announces(server), time.monotonic()
        time.sleep(LOAD_S / 2)
        most = (announces(server) - before) / (time.monotonic() - begin)
        running.kill()
        running.wait()

        # The seeder announces to the server's own tracker, which introduces it at once.
        server.add([torrent], server.home / "downloads")
        seeder.add([torrent], folder)
        wait("the seeder has it", lambda: seeder.done() == 1)
        stats = lambda: json.loads(server.call("GET", "/v1/stats"))["client"]
        wait("the download runs", lambda: stats()["download_rate"] > 0)

        running = subprocess.Popen(command, **quiet)
        ended = threading.Event()
        beat = threading.Thread(target=half_time, args=(running, ended))
        beat.start()
        before, begin = announces(server), time.monotonic()
        taken = []
        while time.monotonic() - begin < LOAD_S:
            at = time.perf_counter()
            server.call("GET", "/v1/torrents?limit=100&sort=name")
            taken.append((time.perf_counter() - at) * 1000)
            time.sleep(0.005)
        rate = (announces(server) - before) / (time.monotonic() - begin)
        moved = stats()
        ended.set()
        beat.join()
        taken.sort()
        return {"most_announces_per_s": most, "announces_per_s": rate, "calls": len(taken),
                "p50_ms": taken[len(taken) // 2], "p99_ms": taken[len(taken) * 99 // 100],
                "download_bytes_per_s": moved["download_rate"], "downloaded": moved["downloaded"]}
    except (OSError, ValueError, RuntimeError) as error:
        return {"error": str(error)}
    finally:
        if running:
            running.kill()
        for one in (seeder, server):
            if one.process:
                one.stop()


def half_time(process, ended):
    while not ended.is_set():
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.005)
        process.send_signal(signal.SIGCONT)
        time.sleep(0.005)


def measure_streams(work):
    """Memory with all streams open, some of them deaf, while torrents stop and run."""
    folder = work / "stream payload"
    folder.mkdir()
    torrents = [small_torrent(folder, number) for number in range(1000)]
    server = Cove(work / "streams")
    try:
        server.start()
        server.add(torrents, folder)
        wait("1000 torrents seed", lambda: server.done() == 1000)
        churn(server)
        before = server.memory()
        open_streams = [stream(server) for _ in range(STREAMS)]
        for one in open_streams[DEAF:]:
            threading.Thread(target=listen, args=(one,), daemon=True).start()
        most = before
        for _ in range(10):
            churn(server)
            most = max(most, server.memory())
        for one in open_streams:
            one.close()
        return {"before": before, "most": most, "growth_mib": (most - before) / (1 << 20)}
    except (OSError, ValueError, RuntimeError) as error:
        return {"error": str(error)}
    finally:
        if server.process:
            server.stop()


def churn(server):
    for action in ("stop", "start"):
        body = json.dumps({"action": action, "filter": "is:private"})
        server.call("POST", "/v1/torrents/bulk", body, {"Content-Type": "application/json"})
        time.sleep(1.2)


def stream(server):
    one = socket.create_connection(("127.0.0.1", server.port))
    head = f"GET /v1/events HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
    one.sendall((head + f"Authorization: {server.headers['Authorization']}\r\n\r\n").encode())
    if not one.recv(12).endswith(b"200"):
        raise ValueError("an event stream was refused")
    return one


def listen(one):
    try:
        while one.recv(1 << 16):
            pass
    except OSError:
        pass


def table(rows):
    print("| client | torrents | list | p50 ms | p99 ms | KiB |\n|---|---:|---|---:|---:|---:|")
    for row in rows:
        if "error" in row:
            print(f"| {row['client']} | {row['count']} | {row['error']} | | | |")
        else:
            print(f"| {row['client']} {row['version']} | {row['count']} | {row['list']} | "
                  f"{row['p50_ms']:.2f} | {row['p99_ms']:.2f} | {row['bytes'] >> 10} |")


def main(work, results):
    work = Path(work).resolve()
    lists = [row for count in COUNTS for row in measure_lists(work, count)]
    loaded, streams = measure_under_load(work), measure_streams(work)
    Path(results).write_text(json.dumps({"lists": lists, "loaded": loaded, "streams": streams},
                                        indent=1))
    print("# API\n")
    table(lists)
    for name, figures in (("under announces and a download", loaded),
                          (f"{STREAMS} event streams, {DEAF} deaf", streams)):
        shown = ", ".join(f"{key} {value:.2f}" if isinstance(value, float) else f"{key} {value}"
                          for key, value in figures.items())
        print(f"\n- {name}: {shown}")


if __name__ == "__main__":
    main(*sys.argv[1:])
