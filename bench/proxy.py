#!/usr/bin/env python3
"""Requests/s and CPU per request through Ostler, nginx and, without a proxy, the backend itself.

One worker each, 64 keep-alive connections, interleaved rounds; see bench/README.md.
"""

import pathlib
import re
import subprocess

from common import (
    LOAD_CORE, OSTLER, SERVER_CORE, Process, Verdicts, arguments, free_port, machine, median, need, nginx_conf, table, wait_for,
    work_folder,
)

HOST = "bench.localhost"
SIZES = {"2 B": 2, "64 KiB": 65536}

# Bar and aim against nginx: requests/s at least, CPU per request at most.
BARS = {"2 B": ((1.0, 1.1), (1.1, 0.9)), "64 KiB": ((1.2, 1.4), (0.65, 0.5))}


def backend(folder, port):
    for size in SIZES.values():
        (pathlib.Path(folder) / f"{size}.bin").write_bytes(b"x" * size)
    server = f"""
    sendfile on;
    open_file_cache max=16;
    server {{ listen 127.0.0.1:{port} backlog=1024; root {folder}; location = /2 {{ return 200 "ok"; }}
              location = /65536 {{ try_files /65536.bin =404; }} }}"""
    return Process(LOAD_CORE, *nginx_conf(folder, "backend", "", server))


def nginx(folder, port, upstream):
    """What a careful operator configures: keep-alive to the backend, and the backend told of the client."""
    proxy = f"""
    upstream backend {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 1000000000; }}
    server {{ listen 127.0.0.1:{port} backlog=1024;
        location / {{ proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Request-Id $request_id; }} }}"""
    return Process(SERVER_CORE, *nginx_conf(folder, "proxy", "", proxy))


def ostler(folder, port, upstream):
    conf = pathlib.Path(folder) / "ostler.toml"
    conf.write_text(
        f"""
[switchboard]
listen = "127.0.0.1:{port}"
workers = 1
[admin]
listen = "unix:{folder}/admin.sock"
[log]
filter = "warn"
[[server]]
host = "{HOST}"
url = "http://127.0.0.1:{upstream}"
"""
    )
    return Process(SERVER_CORE, OSTLER, "up", "--config", conf)


def load(port, path, seconds):
    output = subprocess.run(
        ["taskset", "-c", LOAD_CORE, "wrk", "-t1", "-c64", f"-d{seconds}s", "--latency", "-H", f"Host: {HOST}",
         f"http://127.0.0.1:{port}{path}"],
        capture_output=True, text=True, check=True,
    ).stdout
    errors = re.search(r"Non-2xx.*?(\d+)|Socket errors: (.*)", output)
    if errors:
        raise SystemExit(f"errors under load: {errors.group(0)}")
    requests = int(re.search(r"(\d+) requests in", output).group(1))
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", output).group(1))
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", output)
    return requests, rate, float(p99.group(1)) * {"us": 0.001, "ms": 1, "s": 1000}[p99.group(2)]


def main():
    parser = arguments(__doc__)
    parser.add_argument("--seconds", type=int, default=5, help="of load in each round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    need("wrk", "nginx", "taskset")
    with work_folder() as folder:
        ports = {name: free_port() for name in ("direct", "nginx", "ostler")}
        processes = {"direct": backend(folder, ports["direct"])}
        try:
            processes["nginx"] = nginx(folder, ports["nginx"], ports["direct"])
            processes["ostler"] = ostler(folder, ports["ostler"], ports["direct"])
            for port in ports.values():
                wait_for(f"http://127.0.0.1:{port}/2", HOST)
            print(f"{machine()}; {options.rounds} rounds of {options.seconds} s, interleaved\n")
            verdicts = Verdicts(options.verdicts)
            for label, size in SIZES.items():
                rate, cpu = compare(label, f"/{size}", ports, processes, options)
                rate_bars, cpu_bars = BARS[label]
                verdicts.at_least(f"proxying {label} on one core, requests/s against nginx", rate, *rate_bars, "{:.2f} ×")
                verdicts.at_most(f"proxying {label} on one core, CPU a request against nginx", cpu, *cpu_bars, "{:.2f} ×")
            verdicts.tell()
        finally:
            for process in reversed(processes.values()):
                process.end()


def compare(label, path, ports, processes, options):
    """Prints the table, and returns what Ostler is against nginx: requests/s, CPU per request."""
    figures = {name: {"rate": [], "cpu": [], "p99": []} for name in ports}
    for port in ports.values():
        load(port, path, 1)
    for _ in range(options.rounds):
        for name, port in ports.items():
            before = processes[name].cpu_seconds()
            requests, rate, p99 = load(port, path, options.seconds)
            cpu = (processes[name].cpu_seconds() - before) / requests * 1e6
            figures[name]["rate"].append(rate)
            figures[name]["cpu"].append(cpu)
            figures[name]["p99"].append(p99)
    medians = {name: {key: median(values) for key, values in each.items()} for name, each in figures.items()}
    rows = [
        (name, f"{each['rate']:,.0f}", f"{each['rate'] / medians['nginx']['rate']:.2f} ×", f"{each['cpu']:.1f}",
         f"{each['cpu'] / medians['nginx']['cpu']:.2f} ×", f"{each['p99']:.1f}", f"{processes[name].rss_kib() / 1024:.1f}")
        for name, each in medians.items()
    ]
    print(f"## {label}\n")
    head = ("target", "requests/s", "against nginx", "CPU µs/request", "against nginx", "p99 ms", "RSS MiB")
    print(table(head, rows) + "\n", flush=True)
    return tuple(medians["ostler"][key] / medians["nginx"][key] for key in ("rate", "cpu"))


if __name__ == "__main__":
    main()
