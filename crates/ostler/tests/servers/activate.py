"""Starts a program as a service manager does, with sockets that it has bound: activate.py PROGRAM SOCKET... -- ARGUMENTS...

A socket is tcp:PORT, unix:PATH, udp:PORT or file:PATH, each with =NAME behind it.
"""
import os
import socket
import sys

program, rest = sys.argv[1], sys.argv[2:]
end = rest.index("--")
passed, names = [], []
for text in rest[:end]:
    (kind, place), name = text.split("=")[0].split(":", 1), text.split("=")[1]
    if kind == "file":
        opened = open(place, "w")
    else:
        family = socket.AF_UNIX if kind == "unix" else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(place if kind == "unix" else ("127.0.0.1", int(place)))
        if kind != "udp":
            opened.listen()
    passed.append(opened)
    names.append(name)
# Out of the way first, so that none is overwritten.
high = [os.dup2(each.fileno(), 100 + index, inheritable=False) for index, each in enumerate(passed)]
for index, each in enumerate(high):
    os.dup2(each, 3 + index, inheritable=True)
variables = {"LISTEN_FDS": str(len(passed)), "LISTEN_PID": str(os.getpid()), "LISTEN_FDNAMES": ":".join(names)}
os.execve(program, [program, *rest[end + 1 :]], {**os.environ, **variables})
