#!/usr/bin/env python3
"""A call of a tool that answers at once over MCP 2026-07-28: calls/s and CPU a call of Ostler and of the official Rust SDK.

One thread each, 32 keep-alive connections, interleaved rounds; the same request to each. A server that says a canned answer is
the limit. See bench/README.md.
"""

import json
import pathlib
import re
import subprocess
import urllib.request

from common import (
    LOAD_CORE, OSTLER, ROOT, SERVER_CORE, Process, Verdicts, arguments, free_port, machine, median, need, nginx_conf, table,
    wait_for_port, work_folder,
)

VERSION = "2026-07-28"
TEXT = "the quick brown fox"
REQUEST = {
    "jsonrpc": "2.0", "id": 1, "method": "tools/call",
    "params": {
        "name": "echo", "arguments": {"text": TEXT},
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": VERSION,
            "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}},
        },
    },
}
HEADERS = {
    "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": VERSION, "Mcp-Method": "tools/call", "Mcp-Name": "echo",
}
PEER = ROOT / "bench" / "peers" / "rmcp"


def ask(port):
    """The answer to one call."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/mcp", json.dumps(REQUEST).encode(), HEADERS)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return answer.read()


def rmcp(port, *mode):
    return Process(SERVER_CORE, PEER / "target" / "release" / "peer-rmcp", f"127.0.0.1:{port}", *mode)


def ostler(folder, port):
    conf = pathlib.Path(folder) / "ostler.toml"
    conf.write_text(
        f"""
[mcp]
listen = "127.0.0.1:{port}"
tools = ["demo"]
[switchboard]
listen = "unix:{folder}/switchboard.sock"
workers = 1
[admin]
listen = "unix:{folder}/admin.sock"
[store]
url = "sqlite:{folder}/ostler.db"
[log]
filter = "warn"
"""
    )
    return Process(SERVER_CORE, OSTLER, "up", "--config", conf)


def nginx(folder, port, answer):
    """Reads the request whole, and says what Ostler says."""
    text = answer.decode().replace("\\", "\\\\").replace("'", "\\'")
    server = f"""
    server {{ listen 127.0.0.1:{port} backlog=1024; default_type application/json;
              location = /mcp {{ return 200 '{text}'; }} }}"""
    return Process(SERVER_CORE, *nginx_conf(folder, "canned", "", server))


def load(folder, port, seconds, connections=32, request=REQUEST, fields=HEADERS):
    script = pathlib.Path(folder) / "call.lua"
    headers = "".join(f'wrk.headers["{name}"] = "{value}"\n' for name, value in fields.items())
    # A client with a session has one request of an id at a time.
    before, after = json.dumps({**request, "id": "@"}).split('"@"')
    script.write_text(
        f'wrk.method = "POST"\n{headers}local id = 0\n'
        f"function request() id = id + 1 return wrk.format(nil, nil, nil, [==[{before}]==] .. id .. [==[{after}]==]) end"
    )
    output = subprocess.run(
        ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", script,
         f"http://127.0.0.1:{port}/mcp"],
        capture_output=True, text=True, check=True,
    ).stdout
    errors = re.search(r"Non-2xx.*?(\d+)|Socket errors: (.*)", output)
    if errors:
        raise SystemExit(f"errors under load: {errors.group(0)}")
    calls = int(re.search(r"(\d+) requests in", output).group(1))
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", output).group(1))
    percentiles = [
        float(re.search(rf"{part}%\s+([\d.]+)(us|ms|s)", output).group(1))
        * {"us": 0.001, "ms": 1, "s": 1000}[re.search(rf"{part}%\s+([\d.]+)(us|ms|s)", output).group(2)]
        for part in (50, 99)
    ]
    return calls, rate, *percentiles


def main():
    parser = arguments(__doc__)
    parser.add_argument("--seconds", type=int, default=5, help="of load in each round")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    need("wrk", "nginx", "taskset", "cargo")
    subprocess.run(["cargo", "build", "--release", "--locked", "--quiet"], cwd=PEER, check=True)
    with work_folder() as folder:
        ports = {name: free_port() for name in ("canned", "rmcp", "ostler")}
        processes = {}
        try:
            processes["rmcp"] = rmcp(ports["rmcp"])
            processes["ostler"] = ostler(folder, ports["ostler"])
            for name in ("rmcp", "ostler"):
                wait_for_port(ports[name])
                said = json.loads(ask(ports[name]))["result"]
                if said["resultType"] != "complete" or said["content"][0]["text"] != TEXT:
                    raise SystemExit(f"{name} does not echo: {said}")
            processes["canned"] = nginx(folder, ports["canned"], ask(ports["ostler"]))
            wait_for_port(ports["canned"])
            compare(folder, ports, processes, options)
        finally:
            for process in reversed(processes.values()):
                process.end()


def compare(folder, ports, processes, options):
    figures = {name: {"rate": [], "cpu": [], "p50": [], "p99": []} for name in ports}
    for port in ports.values():
        load(folder, port, 1)
    for _ in range(options.rounds):
        for name, port in ports.items():
            before = processes[name].cpu_seconds()
            calls, rate, p50, p99 = load(folder, port, options.seconds)
            cpu = (processes[name].cpu_seconds() - before) / calls * 1e6
            for key, value in (("rate", rate), ("cpu", cpu), ("p50", p50), ("p99", p99)):
                figures[name][key].append(value)
    medians = {name: {key: median(values) for key, values in each.items()} for name, each in figures.items()}
    print(f"{machine()}; {options.rounds} rounds of {options.seconds} s, interleaved\n")
    head = ("server", "calls/s", "against rmcp", "CPU µs/call", "against rmcp", "p50 ms", "p99 ms", "RSS MiB")
    rows = [
        (name, f"{each['rate']:,.0f}", f"{each['rate'] / medians['rmcp']['rate']:.2f} ×", f"{each['cpu']:.1f}",
         f"{each['cpu'] / medians['rmcp']['cpu']:.2f} ×", f"{each['p50']:.2f}", f"{each['p99']:.1f}",
         f"{processes[name].rss_kib() / 1024:.1f}")
        for name, each in medians.items()
    ]
    print(table(head, rows) + "\n", flush=True)
    verdicts = Verdicts(options.verdicts)
    ratio = medians["ostler"]["cpu"] / medians["rmcp"]["cpu"]
    verdicts.at_most("`tools/call` echo on one core, CPU a call against rmcp", ratio, 0.35, 0.25, "{:.2f} ×")
    verdicts.tell()


if __name__ == "__main__":
    main()
