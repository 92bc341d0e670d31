"""What the benchmarks share: pinned processes, free ports, CPU time, medians."""

import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
OSTLER = ROOT / "target" / "release" / "ostler"
TICK = os.sysconf("SC_CLK_TCK")

# The server under test has a core of its own; whatever loads it and whatever it forwards to share the other one.
SERVER_CORE = "0"
LOAD_CORE = "1"


def need(*commands):
    missing = [command for command in commands if shutil.which(command) is None]
    if missing:
        sys.exit(f"missing: {', '.join(missing)} (see bench/README.md)")
    if not OSTLER.exists():
        sys.exit("build it first: cargo build --release")


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

    def end(self):
        if self.process.poll() is None:
            os.killpg(self.pid, signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self.process.wait()


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


def work_folder():
    return tempfile.TemporaryDirectory(prefix="ostler-bench-")


def median(values):
    return statistics.median(values)


def table(head, rows):
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def machine():
    cpu = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text()).group(1)
    return f"{os.cpu_count()} cores ({cpu}), Linux {os.uname().release}"


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
