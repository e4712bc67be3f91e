"""A proxy that changes what a server answers, to prove that the suite notices."""

import socket
import threading
from typing import Callable

from harness.servers import Endpoint

Alter = Callable[[bytes], bytes]


class AlteringProxy:
    """Listens on `endpoint`; what the server sends goes through `alter`, whole reads at a time."""

    def __init__(self, server: Endpoint, alter: Alter) -> None:
        self._server = server
        self._alter = alter
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.endpoint = Endpoint("127.0.0.1", port, server.password)
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "AlteringProxy":
        return self

    def __exit__(self, *_exception) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection((self._server.host, self._server.port))
            for source, target, change in (
                (client, server, lambda data: data),
                (server, client, self._alter),
            ):
                arguments = (source, target, change)
                threading.Thread(target=self._forward, args=arguments, daemon=True).start()

    @staticmethod
    def _forward(source: socket.socket, target: socket.socket, change: Alter) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(change(data))
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
