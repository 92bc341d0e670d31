"""What the benchmarks share: pinned processes, free ports, CPU time, medians."""

import argparse
import datetime
import http.client
import json
import os
import pathlib
import re
import resource
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
OSTLER = ROOT / "target" / "release" / "ostler"
TOOLS = ROOT / ".tools" / "bin"
TICK = os.sysconf("SC_CLK_TCK")

# The server under test has a core of its own; whatever loads it and whatever it forwards to share the other one.
SERVER_CORE = "0"
LOAD_CORE = "1"


def arguments(description):
    """The options that every benchmark has; a benchmark adds its own."""
    # Asked to end, a benchmark still ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--verdicts", type=pathlib.Path, help="a file to append each comparison with a bar to, as JSON lines")
    return parser


def need(*commands):
    """Ends here, with what is missing, unless every command is there: in .tools/bin or on the path."""
    os.environ["PATH"] = f"{TOOLS}{os.pathsep}{os.environ['PATH']}"
    missing = [command for command in commands if shutil.which(command) is None]
    if missing:
        sys.exit(f"missing: {', '.join(missing)} (see bench/README.md)")
    if not OSTLER.exists():
        sys.exit("build it first: cargo build --release")


def allow_open_files(count):
    """Raises the limit of this process and of those it starts. Whether that was allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= count:
        return True
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, max(hard, count)))
    except (ValueError, OSError):
        return False
    return True


def pin(core):
    """Keeps this process, and what it starts from now on, on a core."""
    os.sched_setaffinity(0, {int(core)})


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Process:
    """A process pinned to a core, ended with everything of its group."""

    def __init__(self, core, *command, env=None, **options):
        self.name = pathlib.Path(command[0]).name
        options.setdefault("stdout", subprocess.DEVNULL)
        options.setdefault("stderr", subprocess.DEVNULL)
        self.process = subprocess.Popen(
            ["taskset", "-c", core, *map(str, command)],
            start_new_session=True,
            env={**os.environ, **(env or {})},
            **options,
        )

    @property
    def pid(self):
        return self.process.pid

    def family(self):
        """Its own pid and its children's."""
        children = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid, *map(int, children)]

    def cpu_seconds(self):
        total = 0
        for pid in self.family():
            try:
                fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            except FileNotFoundError:
                continue
            total += int(fields[11]) + int(fields[12])
        return total / TICK

    def rss_kib(self):
        total = 0
        for pid in self.family():
            try:
                status = pathlib.Path(f"/proc/{pid}/status").read_text()
            except FileNotFoundError:
                continue
            match = re.search(r"VmRSS:\s+(\d+) kB", status)
            total += int(match.group(1)) if match else 0
        return total

    def pss_kib(self):
        """Resident memory with what processes share counted once."""
        total = 0
        for pid in self.family():
            rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += int(re.search(r"^Pss:\s+(\d+) kB", rollup, re.M).group(1))
        return total

    def end(self):
        if self.process.poll() is None:
            os.killpg(self.pid, signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self.process.wait()


class Admin:
    """The admin API of an Ostler that listens on a Unix socket."""

    def __init__(self, path, seconds=60):
        self.path = str(path)
        self.seconds = seconds

    def open(self):
        connection = http.client.HTTPConnection("localhost", timeout=self.seconds)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(self.seconds)
        connection.sock.connect(self.path)
        return connection

    def ask(self, method, path):
        connection = self.open()
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def wait(self, seconds=20):
        deadline = time.monotonic() + seconds
        while True:
            try:
                if self.ask("GET", "/readyz")[0] == 200:
                    return
            except OSError as error:
                if time.monotonic() > deadline:
                    sys.exit(f"the admin API does not answer: {error}")
            time.sleep(0.005)


class Events:
    """Follows the events of an Ostler from now on, in a thread, until Ostler ends or `close` is called."""

    def __init__(self, admin):
        self.events = []
        self.changed = threading.Condition()
        self.connection = admin.open()
        # http.client lets go of the socket once the answer's head says that it ends with the connection.
        self.socket = self.connection.sock
        self.connection.request("GET", "/events", headers={"Accept": "text/event-stream"})
        self.answer = self.connection.getresponse()
        # The place to come back to is said first: from here on nothing is missed.
        while self.answer.readline().strip():
            pass
        self.thread = threading.Thread(target=self._follow, daemon=True)
        self.thread.start()

    def _follow(self):
        try:
            while line := self.answer.readline():
                if line.startswith(b"data:"):
                    with self.changed:
                        self.events.append(json.loads(line[5:]))
                        self.changed.notify_all()
        except (OSError, ValueError, http.client.HTTPException):
            pass

    def of(self, kind):
        with self.changed:
            return [event for event in self.events if event["kind"] == kind]

    def count(self, kind):
        return len(self.of(kind))

    def wait(self, kind, count, seconds=30):
        """Waits for as many events. Whether they came."""
        with self.changed:
            return self.changed.wait_for(lambda: sum(event["kind"] == kind for event in self.events) >= count, seconds)

    def end(self, seconds=30):
        """Waits for the stream's end, which is Ostler's."""
        self.thread.join(seconds)
        self.connection.close()

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.end()


def event_time(event):
    """When an event was, in milliseconds."""
    return datetime.datetime.fromisoformat(event["at"]).timestamp() * 1000


class Client:
    """One keep-alive connection and nothing that costs: each request is one write, each answer is read to its last byte."""

    def __init__(self, address, seconds=30):
        family = socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX
        self.socket = socket.socket(family)
        self.socket.settimeout(seconds)
        self.socket.connect(address)
        if family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def get(self, path, host):
        """The status code of the answer. Its body must have a length."""
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        answer = b""
        while (length := answer_length(answer)) is None or len(answer) < length:
            part = self.socket.recv(65536)
            if not part:
                raise ConnectionError("the connection was closed before the answer's end")
            answer += part
        return int(answer[9:12])

    def close(self):
        self.socket.close()


class Crowd:
    """As many keep-alive connections, each of which asks again as soon as it is answered. They stay open until `close`."""

    def __init__(self, port, connections, seconds=60):
        self.seconds = seconds
        self.sockets = [socket.create_connection(("127.0.0.1", port), seconds) for _ in range(connections)]
        for each in self.sockets:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, requests, answered):
        """Sends what `requests` gives, pairs of a name and the bytes, one at a time over each connection, up to its end and
        the last answer's. `answered` is called with the name, the status code, the body and the seconds it took."""
        requests, under_way = iter(requests), {}
        with select.epoll() as epoll:
            for each in self.sockets:
                if (request := next(requests, None)) is None:
                    break
                epoll.register(each.fileno(), select.EPOLLIN)
                each.sendall(request[1])
                under_way[each.fileno()] = [each, request[0], b"", time.perf_counter()]
            while under_way:
                ready = epoll.poll(self.seconds)
                if not ready:
                    raise TimeoutError(f"no answer for {self.seconds} s to {len(under_way)} requests")
                for number, _ in ready:
                    exchange = under_way[number]
                    part = exchange[0].recv(65536)
                    if not part:
                        raise ConnectionError("the connection was closed before the answer's end")
                    exchange[2] += part
                    each, name, answer, began = exchange
                    if (head := whole(answer)) is None:
                        continue
                    answered(name, int(answer[9:12]), answer[head:], time.perf_counter() - began)
                    if (request := next(requests, None)) is None:
                        epoll.unregister(number)
                        del under_way[number]
                        continue
                    under_way[number] = [each, request[0], b"", time.perf_counter()]
                    each.sendall(request[1])

    def close(self):
        for each in self.sockets:
            each.close()


def whole(answer):
    """Where the body begins, or None if the answer goes on."""
    head = answer.find(b"\r\n\r\n") + 4
    if head < 4:
        return None
    if re.search(rb"\r\ntransfer-encoding: *chunked", answer[:head], re.I):
        return head if answer.endswith(b"\r\n0\r\n\r\n") else None
    return head if len(answer) >= answer_length(answer) else None


def post(path, headers, body=b""):
    """A request as it goes over the wire."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body


def answer_length(begin):
    """The length of the answer that begins so, head and body, or None if that does not say yet."""
    head = begin.find(b"\r\n\r\n")
    if head < 0:
        return None
    length = re.search(rb"\r\ncontent-length: *(\d+)", begin[:head], re.I)
    return head + 4 + (int(length.group(1)) if length else 0)


def wait_for(url, host=None, seconds=20):
    deadline = time.monotonic() + seconds
    while True:
        try:
            request = urllib.request.Request(url, headers={"Host": host} if host else {})
            with urllib.request.urlopen(request, timeout=2) as answer:
                return answer.read()
        except OSError as error:
            if time.monotonic() > deadline:
                sys.exit(f"{url} does not answer: {error}")
            time.sleep(0.02)


def wait_for_port(port, seconds=20):
    deadline = time.monotonic() + seconds
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=2):
                return
        except OSError as error:
            if time.monotonic() > deadline:
                sys.exit(f"nobody listens on {port}: {error}")
            time.sleep(0.02)


def work_folder():
    return tempfile.TemporaryDirectory(prefix="ostler-bench-")


def disk_folder():
    """A folder beside the code: on a disk, where the one for temporary files may be in memory and a sync be nothing."""
    base = ROOT / "bench" / ".work"
    base.mkdir(exist_ok=True)
    return tempfile.TemporaryDirectory(dir=base)


def median(values):
    return statistics.median(values)


def percentile(values, part):
    """The value that `part` per cent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * part // 100) - 1)]


class Verdicts:
    """What was measured against the bars, told at the end of a benchmark."""

    def __init__(self, file=None):
        self.file = file
        self.rows = []

    def at_most(self, what, figure, bar, aim, form="{:.2f}"):
        self._add(what, form.format(figure), "≤ " + form.format(bar), "≤ " + form.format(aim), figure <= bar, figure <= aim)

    def at_least(self, what, figure, bar, aim, form="{:.2f}"):
        self._add(what, form.format(figure), "≥ " + form.format(bar), "≥ " + form.format(aim), figure >= bar, figure >= aim)

    def exactly(self, what, figure, expected, aim=None):
        self._add(what, figure, expected, aim or expected, figure == expected, figure == (aim or expected))

    def _add(self, what, figure, bar, aim, bar_met, aim_met):
        met = "aim met" if bar_met and aim_met else "bar met" if bar_met else "**missed**"
        self.rows.append((what, figure, bar, aim, met))

    def tell(self):
        print(table(VERDICT_HEAD, self.rows) + "\n", flush=True)
        if self.file:
            with self.file.open("a") as file:
                file.writelines(json.dumps(row) + "\n" for row in self.rows)


VERDICT_HEAD = ("what", "measured", "bar", "aim", "verdict")


def table(head, rows):
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def machine():
    cpu = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text()).group(1)
    return f"{os.cpu_count()} cores ({cpu}), Linux {os.uname().release}"


def configuration(folder, text, port=None, name="ostler.toml"):
    """A configuration file: `text` after the listeners and a quiet log, with the admin API at `folder`/admin.sock."""
    listen = f"127.0.0.1:{port}" if port else f"unix:{folder}/switchboard.sock"
    file = pathlib.Path(folder) / name
    file.write_text(
        f"""
[admin]
listen = "unix:{folder}/admin.sock"
events_buffer = 100000
[log]
filter = "warn"
[switchboard]
listen = "{listen}"
{text}
"""
    )
    return file


def ostler(configuration, **options):
    return Process(SERVER_CORE, OSTLER, "up", "--config", configuration, **options)


def nginx_conf(folder, name, workers_conf, http_conf):
    """A configuration that writes only below `folder`."""
    base = pathlib.Path(folder) / name
    base.mkdir()
    conf = base / "nginx.conf"
    conf.write_text(
        f"""
daemon off;
{"user root;" if os.getuid() == 0 else ""}
worker_processes 1;
pid {base}/nginx.pid;
error_log {base}/error.log warn;
{workers_conf}
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_body_temp_path {base}/body;
    proxy_temp_path {base}/proxy;
    fastcgi_temp_path {base}/fastcgi;
    uwsgi_temp_path {base}/uwsgi;
    scgi_temp_path {base}/scgi;
    keepalive_requests 1000000000;
    {http_conf}
}}
"""
    )
    return ["nginx", "-c", str(conf), "-p", str(base), "-e", f"{base}/error.log"]
