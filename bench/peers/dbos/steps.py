"""A workflow of three durable steps and nothing else, as Ostler's tool is (crates/mcp/examples/steps.rs), behind as little of a
server as there can be: a thread for each connection, which reads a request to its end and writes the answer at a stroke.

    steps.py PORT FILE
"""

import socket
import sys
import threading

from dbos import DBOS

DBOS(config={"name": "steps", "system_database_url": f"sqlite:///{sys.argv[2]}", "run_admin_server": False, "log_level": "WARNING"})


@DBOS.step()
def one():
    return 1


@DBOS.step()
def after(number):
    return number + 1


@DBOS.workflow()
def three():
    first = one()
    second = after(first)
    third = after(second)
    return f"{first} {second} {third}"


def serve(connection):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    asked = b""
    # The requests have no body, and none is sent before the one before it is answered.
    while part := connection.recv(65536):
        asked += part
        if asked.endswith(b"\r\n\r\n"):
            asked = b""
            try:
                status, body = "200 OK", three().encode()
            except Exception as error:
                status, body = "500 Internal Server Error", repr(error).encode()
            head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)


def main():
    DBOS.launch()
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
