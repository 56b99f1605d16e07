"""Certificates are swapped under load, good ones and broken ones: every handshake succeeds with one that was there, old connections stay, and a
broken file leaves the old one in place."""

import hashlib

from lib import *

SWAPS = 300


def main():
    kinds = ("ecdsa", "rsa", "ed25519")
    server = Server()
    known = {}
    for kind in kinds:
        der = ssl.PEM_cert_to_DER_cert(read(f"{TLS}/{kind}.cert.pem"))
        known[hashlib.sha256(der).hexdigest()] = kind
    tls = tls_context()
    probe = Honest(server)
    old = Ami(server, "root", tls=tls, source="127.0.0.8", timeout=120)
    over, errors, seen = threading.Event(), [], {}

    def shake(number):
        while not over.is_set():
            try:
                port = server.tls_port if number % 2 else server.https_port
                raw = socket.create_connection((server.host, port), PATIENCE, source_address=(f"127.0.9.{number + 1}", 0))
                with tls.wrap_socket(raw) as link:
                    print_ = hashlib.sha256(link.getpeercert(binary_form=True)).hexdigest()
                    kind = known.get(print_, "unknown")
                    seen[kind] = seen.get(kind, 0) + 1
                    if number % 2 == 0:
                        link.sendall(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    check(link.recv(10), "nothing behind the handshake")
            except Exception as why:
                errors.append(f"{type(why).__name__}: {why}"[:200])
            over.wait(0.01)
    workers = [threading.Thread(target=shake, args=(n,), daemon=True) for n in range(6)]
    for worker in workers:
        worker.start()
    before = None
    for number in range(SWAPS):
        text = certificate(kinds[number % 3])
        if number % 7 == 3:
            text = text[:300]
        elif number % 7 == 5:
            # A key that does not belong to it.
            text = read(f"{TLS}/ecdsa.cert.pem") + read(f"{TLS}/rsa.key.pem")
        server.write("server.pem", text)
        server.signal(signal.SIGHUP)
        time.sleep(0.03)
        if number == SWAPS // 3:
            before = server.numbers()
    server.write("server.pem", certificate("rsa"))
    server.signal(signal.SIGHUP)
    time.sleep(1.5)
    raw = socket.create_connection((server.host, server.tls_port), PATIENCE)
    with tls.wrap_socket(raw) as link:
        last = known.get(hashlib.sha256(link.getpeercert(binary_form=True)).hexdigest())
    check(last == "rsa", f"behind the last swap the certificate is {last}")
    over.set()
    for worker in workers:
        worker.join(PATIENCE)
    old.ok("Ping")
    after = server.numbers()
    check(not errors, f"{len(errors)} of {sum(seen.values())} handshakes failed, such as {errors[:2]}")
    check("unknown" not in seen and len(seen) == 3, f"certificates seen: {seen}")
    check(after["rss"] < before["rss"] * 1.15 + 4096, f"memory grows: {before}, {after}")
    check(server.panics() == 0, "a panic")
    line = check_honest(probe.stop(), p99=40)
    check(server.stop() == 0, "SIGTERM")
    return f"{SWAPS} swaps, {sum(seen.values())} handshakes ({', '.join(f'{k} {n}' for k, n in sorted(seen.items()))}), none failed, {line}"


run("certificates", main)
