# What test hosts talk to: a resolver that knows the world's names, and a web server. Both listen on every address of
# their network namespace. Names are given as NAME=IPV4,IPV6; all others do not exist. Written for Debian's minimal
# Python, which has no server modules.
import socket
import struct
import sys
import threading

NAMES = dict(pair.split("=") for pair in sys.argv[1:])
RESOLVER = NAMES[sys.argv[1].split("=")[0]].split(",")[0]
A, AAAA = 1, 28


def answer(query):
    """Returns the answer to one question of the name service."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode("ascii", "replace").lower())
        at += 1 + query[at]
    kind = struct.unpack("!H", query[at + 1 : at + 3])[0]
    found = NAMES.get(".".join(labels))
    record = b""
    if found and kind in (A, AAAA):
        v4, v6 = found.split(",")
        data = socket.inet_pton(*((socket.AF_INET, v4) if kind == A else (socket.AF_INET6, v6)))
        record = b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 1, len(data)) + data
    flags = 0x8580 if found else 0x8583
    head = query[:2] + struct.pack("!HHHHH", flags, 1, 1 if record else 0, 0, 0)
    return head + query[12 : at + 5] + record


def resolve_tcp(connection):
    size = struct.unpack("!H", connection.recv(2, socket.MSG_WAITALL))[0]
    reply = answer(connection.recv(size, socket.MSG_WAITALL))
    connection.sendall(struct.pack("!H", len(reply)) + reply)


def serve_web(connection):
    """Answers `/bytes/N` with N bytes, anything else with `ok`."""
    request = b""
    while b"\r\n\r\n" not in request and len(request) < 65536:
        part = connection.recv(4096)
        if not part:
            return
        request += part
    path = request.split(b" ")[1]
    count = path.rpartition(b"/bytes/")[2]
    body = b"x" * int(count) if count.isdigit() else b"ok\n"
    connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def guarded(serve, connection):
    with connection:
        connection.settimeout(60)
        try:
            serve(connection)
        except (OSError, IndexError, struct.error):
            pass


def listen(port, serve):
    """Serves a port over both protocols, one thread a connection."""
    server = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=128)

    def loop():
        while True:
            connection, _ = server.accept()
            threading.Thread(target=guarded, args=(serve, connection), daemon=True).start()

    threading.Thread(target=loop, daemon=True).start()


for port, serve in ((53, resolve_tcp), (80, serve_web), (8080, serve_web)):
    listen(port, serve)
# A datagram must be answered from the address it was sent to, so the resolver has this one address only.
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.bind((RESOLVER, 53))
print("ready", flush=True)
while True:
    query, sender = datagrams.recvfrom(4096)
    try:
        datagrams.sendto(answer(query), sender)
    except (OSError, IndexError, struct.error):
        pass
