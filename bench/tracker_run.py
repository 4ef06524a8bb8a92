#!/usr/bin/env python3
"""Measures trackers side by side: `bench/tracker.sh` sets it up and explains the variables.

    bench/tracker_run.py RESULTS.jsonl

Every job starts a fresh server on the server core, loads it from the load core, and writes one
line. Servers take turns within a job, so that a disturbed minute hits all of them.
"""
import json
import os
import re
import shlex
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONNECT = struct.pack(">QII", 0x41727101980, 0, 1)
STARTED, STOPPED = 2, 3
START_LIMIT_S = 30
LOAD_LIMIT_S = 600
PEERS_ASKED = 30
# One address has so many ports; the load tool takes no more for one torrent.
PORTS_MAX = 64_000
# Requests outstanding on each of the load's eight sockets.
WINDOW_MAX, WINDOW_MIN = 64, 8


def number(name, default):
    return int(os.environ.get(name, default))


REPEAT = number("REPEAT", 5)
PEERS = number("PEERS", 1_000_000)
TORRENTS = number("TORRENTS", 100_000)
HTTP_PEERS = number("HTTP_PEERS", 200_000)
SWARM_PEERS = number("SWARM_PEERS", 100_000)
FAKES = number("FAKES", 1_000_000)
MEMORY_MIB = number("MEMORY_MIB", 256)
SEEDERS = number("SEEDERS", 75)
SECONDS = number("SECONDS_EACH", 5)
SERVER_CORE = number("SERVER_CORE", 0)
LOAD_CORE = number("LOAD_CORE", 1)
PROGRAMS = Path(os.environ["PEER_PROGRAMS"])
TOOLS = Path(os.environ["LOAD_TOOLS"])

AQUATIC_UDP = """
socket_workers = 1
[network]
address = "{address}"
[protocol]
max_response_peers = 74
max_scrape_torrents = 74
[cleaning]
max_peer_age = 7200
"""
AQUATIC_HTTP = """
socket_workers = 1
swarm_workers = 1
[network]
address = "{address}"
[protocol]
max_peers = 74
[cleaning]
max_peer_age = 7200
"""
LOAD_TEST = """
server_address = "{address}"
workers = 1
duration = {seconds}
summarize_last = {last}
extra_statistics = false
[requests]
number_of_torrents = {torrents}
number_of_peers = {peers}
announce_peers_wanted = 30
"""


class Trouble(Exception):
    """A server or a load that did not do its work: the row says why."""


def cove(folder, address):
    """All of it, with the client's side shut."""
    with socket.socket() as api:
        api.bind(("127.0.0.1", 0))
        own = api.getsockname()[1]
    settings = {
        "api.bind": f"127.0.0.1:{own}", "client.listen": "127.0.0.1:0", "client.dht": "false",
        "client.lsd": "false", "client.upnp": "false", "client.natpmp": "false",
        "tracker.mode": "public", "tracker.udp.bind": address, "tracker.http.bind": address,
        "tracker.udp.workers": "1",
        "tracker.http.max_connections_per_address": "1024",
    }
    command = [os.environ["COVE"], "serve", "--state-dir", str(folder / "state")]
    for setting in settings.items():
        command += ["--set", "=".join(setting)]
    return command + shlex.split(os.environ.get("COVE_ARGS", ""))


def aquatic(name, template):
    def start(folder, address):
        (folder / "config.toml").write_text(template.format(address=address))
        return [str(PROGRAMS / "bin" / name), "-c", str(folder / "config.toml")]
    return start


def opentracker(folder, address):
    """The distribution's build serves listed torrents only, so all of the load's are listed."""
    run([TOOLS / "udpload", "--torrents", TORRENTS, "--write-whitelist", folder / "whitelist"])
    # As root it changes its root to that folder before it reads the list.
    (folder / "conf").write_text(f"access.whitelist whitelist\ntracker.rootdir {folder}\n"
                                 f"tracker.user nobody\nlisten.tcp_udp {address}\n")
    program = PROGRAMS / "opentracker/usr/bin/opentracker"
    libraries = ":".join(str(path.parent) for path in
                         (PROGRAMS / "opentracker").rglob("libowfat.so.0"))
    return ["env", f"LD_LIBRARY_PATH={libraries}", str(program), "-f", str(folder / "conf")]


def static_warp(_, address):
    return [os.environ["STATIC_WARP"], address]


SERVERS = {
    "cove": cove,
    "aquatic_udp": aquatic("aquatic_udp", AQUATIC_UDP),
    "aquatic_http": aquatic("aquatic_http", AQUATIC_HTTP),
    "opentracker": opentracker,
    "static_warp": static_warp,
}


class Server:
    """A tracker on a port of its own, pinned to its core; ended with the block."""

    def __init__(self, name, is_http=False, ip="127.0.0.1"):
        self.name, self.is_http, self.ip = name, is_http, ip

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="cove-bench-")
        folder = Path(self.folder.name)
        # A server that gives up its rights must still read its own files.
        folder.chmod(0o755)
        self.port = free_port(self.ip)
        shown = f"[{self.ip}]" if ":" in self.ip else self.ip
        self.address = f"{shown}:{self.port}"
        command = SERVERS[self.name](folder, self.address)
        self.log = open(folder / "log", "w+")
        try:
            self.process = subprocess.Popen(["taskset", "-c", str(SERVER_CORE)] + command,
                                            stdin=subprocess.DEVNULL, stdout=self.log,
                                            stderr=self.log, cwd=folder)
            self.wait_ready()
        except OSError as error:
            self.close()
            raise Trouble(f"cannot be started: {error}") from error
        except BaseException:
            self.__exit__()
            raise
        return self

    def wait_ready(self):
        answers = self.answers_http if self.is_http else self.answers_udp
        if self.name == "opentracker":
            answers = self.answers_listed
        end = time.monotonic() + START_LIMIT_S
        while not answers():
            if self.process.poll() is not None:
                self.log.seek(0)
                last = self.log.read().strip().splitlines()[-1:]
                raise Trouble(f"ended with {self.process.returncode}: {' '.join(last)[:200]}")
            if time.monotonic() > end:
                raise Trouble(f"no answer within {START_LIMIT_S} s")
            time.sleep(0.05)

    def answers_udp(self):
        family = socket.AF_INET6 if ":" in self.ip else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as udp:
            udp.settimeout(0.2)
            udp.connect((self.ip, self.port))
            try:
                udp.send(CONNECT)
                return len(udp.recv(64)) == 16
            except OSError:
                return False

    def answers_listed(self):
        """opentracker reads its list beside its work: the last line says that all is read."""
        if not self.answers_udp():
            return False
        last = Path(self.folder.name, "whitelist").read_text().split()[-1]
        client, connection = connected(self.ip, self.port)
        with client:
            def announce(event):
                client.send(announce_packet(connection, bytes.fromhex(last), 0, 0, event, 1))
                return client.recv(2048)[3] == 1

            return announce(STARTED) and announce(STOPPED)

    def answers_http(self):
        try:
            socket.create_connection((self.ip, self.port), 0.2).close()
            return True
        except OSError:
            return False

    def load(self, tool, *options, may_refuse=False):
        """What a load tool found out, as it prints it; refusals end the measurement."""
        command = [TOOLS / tool, self.address, "--pid", self.process.pid,
                   "--numwant", PEERS_ASKED, "--seeders", SEEDERS]
        found = json.loads(run(["taskset", "-c", LOAD_CORE] + command + list(options)))
        refused = found.get("errors", 0) + found.get("failures", 0)
        if not may_refuse and (found["responses"] == 0 or refused):
            raise Trouble(f"refused {refused} of {found['responses']} requests")
        return found

    def rss_kib(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.close()

    def close(self):
        self.log.close()
        self.folder.cleanup()


def free_port(ip):
    """A port that is free for both protocols."""
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    for _ in range(100):
        with socket.socket(family) as tcp, socket.socket(family, socket.SOCK_DGRAM) as udp:
            tcp.bind((ip, 0))
            try:
                udp.bind(tcp.getsockname())
            except OSError:
                continue
            return tcp.getsockname()[1]
    raise Trouble("no port is free for both protocols")


def run(command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          timeout=LOAD_LIMIT_S, check=False)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise Trouble(f"{Path(str(command[0])).name} ended with {done.returncode}: {last}")
    return done.stdout


def full_speed(server, *shape):
    """A load with as many requests outstanding as the server's socket buffer holds.

    What does not fit is dropped by the system, and the load then waits: that would measure the
    buffer. Trackers with a small one get fewer at a time.
    """
    window = WINDOW_MAX
    while True:
        found = server.load("udpload", "--seconds", SECONDS, "--window", window, *shape)
        if found["lost"] == 0 or window <= WINDOW_MIN:
            return {**rates(found), "window": window,
                    "peers_per_announce": found["peers_per_announce"]}
        window //= 2


def rates(found):
    """The figures of a load at full speed."""
    cpu_us = found["server"]["cpu_us_per_response"]
    return {"announces_per_s": found["announces_per_s"], "cpu_us_per_announce": cpu_us,
            "announces_per_cpu_s": round(1e6 / cpu_us) if cpu_us else None,
            "load_idle_percent": found["client_idle_percent"], "lost": found["lost"]}


def udp(name):
    """Fill it, load it with announces of known peers, then ask one at a time."""
    shape = ["--torrents", TORRENTS, "--peers", PEERS]
    with Server(name) as server:
        filled = server.load("udpload", "--fill", "--window", 16, *shape)
        full = full_speed(server, *shape)
        calm = server.load("udpload", "--seconds", SECONDS, "--sockets", 1, "--window", 1, *shape)
        return {**full, "p50_us": calm["latency_p50_us"], "p99_us": calm["latency_p99_us"],
                "rss_bytes_per_peer": filled["server"]["rss_bytes_per_peer"],
                "rss_mib": round(filled["server"]["rss_after_kib"] / 1024)}


def udp6(name):
    """Memory for each IPv6 peer."""
    with Server(name, ip="::1") as server:
        filled = server.load("udpload", "--fill", "--window", 16, "--torrents", TORRENTS,
                             "--peers", PEERS)
        return {"rss_bytes_per_peer": filled["server"]["rss_bytes_per_peer"],
                "lost": filled["lost"]}


def http(name):
    """Announces over connections that are kept open."""
    shape = ["--torrents", max(HTTP_PEERS // 20, 1), "--peers", HTTP_PEERS]
    with Server(name, is_http=True) as server:
        server.load("httpload", "--fill", *shape)
        full = server.load("httpload", "--seconds", SECONDS, *shape)
        calm = server.load("httpload", "--seconds", SECONDS, "--connections", 1, *shape)
        return {**rates(full), "bytes_per_response": full["bytes_per_response"],
                "p99_us": calm["latency_p99_us"]}


def swarm(name):
    """One swarm of 100 peers, and one that is a thousand times as big."""
    small, big = swarm_of(name, 100), swarm_of(name, SWARM_PEERS)
    return {"p99_us_of_100": small["latency_p99_us"], "p99_us_of_many": big["latency_p99_us"],
            "cpu_us_of_100": small["server"]["cpu_us_per_response"],
            "cpu_us_of_many": big["server"]["cpu_us_per_response"],
            "peers": big["peers"], "p99_ratio": ratio(big, small)}


def swarm_of(name, peers):
    shape = ["--torrents", 1, "--peers", min(peers, PORTS_MAX)]
    with Server(name) as server:
        server.load("udpload", "--fill", "--window", 16, *shape)
        for number in range(1, -(-peers // PORTS_MAX)):
            more = min(PORTS_MAX, peers - number * PORTS_MAX)
            fill_from(f"127.0.0.{number + 1}", server.port, more)
        counted = swarm_size(server.port)
        if counted != peers:
            raise Trouble(f"the swarm has {counted} peers instead of {peers}")
        calm = server.load("udpload", "--seconds", SECONDS, "--sockets", 1, "--window", 1, *shape)
        return {**calm, "peers": counted}


def first_hash():
    """The info-hash of the load tools' first torrent."""
    with tempfile.NamedTemporaryFile() as file:
        run([TOOLS / "udpload", "--torrents", 1, "--write-whitelist", file.name])
        return bytes.fromhex(Path(file.name).read_text().split()[0])


def connected(source, port):
    """A socket with an address of its own, and its connection id."""
    udp_socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp_socket.bind((source, 0))
    udp_socket.settimeout(2)
    udp_socket.connect(("127.0.0.1", port))
    udp_socket.send(CONNECT)
    return udp_socket, udp_socket.recv(64)[8:16]


def announce_packet(connection, info_hash, index, left, event, port):
    """An announce that asks for no peers."""
    return struct.pack(">8sII20s20sQQQIIIiH", connection, 1, index, info_hash,
                       b"-CF0002-%012d" % index, 0, left, 0, event, 0, 1, 0, port)


def fill_from(source, port, peers):
    """Announces peers of the first torrent from another address: its ports are used up."""
    info_hash = first_hash()
    client, connection = connected(source, port)
    with client:
        for index in range(peers):
            left = 0 if index % 4 else 50
            packet = announce_packet(connection, info_hash, index, left, STARTED, 1024 + index)
            for _ in range(5):
                client.send(packet)
                try:
                    client.recv(2048)
                    break
                except TimeoutError:
                    continue
            else:
                raise Trouble(f"peer {index} from {source} got no answer")


def swarm_size(port):
    client, connection = connected("127.0.0.1", port)
    with client:
        client.send(struct.pack(">8sII20s", connection, 2, 1, first_hash()))
        seeders, _, leechers = struct.unpack(">III", client.recv(64)[8:20])
        return seeders + leechers


def load_test(name):
    """aquatic's own load, as it comes but for the size: connects and announces, half and half."""
    program = PROGRAMS / "bin/aquatic_udp_load_test"
    seconds = max(2 * SECONDS, 10)
    with Server(name) as server, tempfile.NamedTemporaryFile("w", suffix=".toml") as config:
        config.write(LOAD_TEST.format(address=server.address, seconds=seconds, last=seconds - 5,
                                      torrents=TORRENTS, peers=PEERS))
        config.flush()
        if not program.exists():
            raise Trouble("aquatic_udp_load_test is not installed")
        printed = run(["taskset", "-c", LOAD_CORE, program, "-c", config.name])
        report = printed[printed.index("# aquatic load test report"):]

        def figure(label):
            return float(re.search(label + r":\s+([\d.]+)", report).group(1))

        return {"responses_per_s": figure("Average responses per second"),
                "announces_per_s": figure("Announce responses"),
                "errors_per_s": figure("Error responses")}


def conform(name):
    """The rules of behaviour."""
    with Server(name) as server:
        done = subprocess.run([sys.executable, os.environ["CONFORM"], server.ip, str(server.port)],
                              capture_output=True, text=True, timeout=LOAD_LIMIT_S, check=False)
        found = re.search(r"(\d+) rules, (\d+) differ", done.stdout)
        if not found:
            raise Trouble(f"conform.py ended with {done.returncode}")
        differing = [line[9:53].strip() for line in done.stdout.splitlines()
                     if line.startswith("differs")]
        return {"rules": int(found[1]), "differing": int(found[2]), "which": "; ".join(differing)}


def fakes(name):
    """What a flood of invented hashes does to the memory and to the swarms that are known."""
    known = ["--torrents", 100, "--peers", 10_000]
    calm = ["--seconds", SECONDS, "--sockets", 1, "--window", 1]
    with Server(name) as server:
        server.load("udpload", "--fill", "--window", 16, *known)
        before, rss_before = server.load("udpload", *calm, *known), server.rss_kib()
        # Each peer is its own torrent. A refusal is an answer too.
        flood = server.load("udpload", "--fill", "--window", 16, "--torrents", FAKES,
                            "--peers", FAKES, may_refuse=True)
        after, rss_after = server.load("udpload", *calm, *known), server.rss_kib()
        return {"p99_us_before": before["latency_p99_us"], "p99_us_after": after["latency_p99_us"],
                "p99_ratio": ratio(after, before), "refused": flood["errors"],
                "rss_mib_before": round(rss_before / 1024), "rss_mib": round(rss_after / 1024),
                "ceiling_mib": MEMORY_MIB}


def ratio(one, other):
    return round(one["latency_p99_us"] / max(other["latency_p99_us"], 1), 2)


JOBS = {
    udp: ["cove", "aquatic_udp", "opentracker"],
    udp6: ["cove", "aquatic_udp"],
    http: ["cove", "aquatic_http", "static_warp"],
    swarm: ["cove", "aquatic_udp"],
    load_test: ["cove", "aquatic_udp"],
    conform: ["cove"],
    fakes: ["cove", "aquatic_udp"],
}


def main(path):
    jobs, servers = chosen("JOBS"), chosen("SERVERS")
    with open(path, "a", encoding="utf-8") as results:
        for job, members in JOBS.items():
            if jobs and job.__name__ not in jobs:
                continue
            for repeat in range(REPEAT):
                for name in members:
                    if not servers or name in servers:
                        row = {"job": job.__name__, "server": name, "repeat": repeat}
                        write(results, {**row, **measured(job, name)})


def chosen(variable):
    return [name for name in os.environ.get(variable, "").split(",") if name]


def measured(job, name):
    try:
        return job(name)
    except (Trouble, subprocess.TimeoutExpired, OSError) as trouble:
        return {"error": str(trouble)}


def write(results, row):
    line = json.dumps(row)
    results.write(line + "\n")
    results.flush()
    print(line, file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: tracker_run.py RESULTS.jsonl")
    main(sys.argv[1])
