"""The yardstick: a bare Flask that parses the JSON of a call and returns a constant card.

It stands behind the service's own server, so that the collector is frozen after start and its
threshold raised for both. It has no guards, no log and no store: no time can be saved on it.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

from flask import Flask, Response, request

from cds_service.web.server import Server

THREADS = 8
CONNECTION_LIMIT = 500


def create_reference(card: bytes) -> Flask:
    """Return the application; `card` is the body of every answer."""
    app = Flask("bench.reference")

    @app.post("/cds-services/<service_id>")
    def hook_call(service_id: str) -> Response:  # noqa: ARG001
        json.loads(request.get_data())
        return Response(card, mimetype="application/json")

    return app


def main(card: Path) -> None:
    """Serve on a free port of loopback and say on which, as the service does in its log."""
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server = Server(
        create_reference(card.read_bytes()),
        host="127.0.0.1",
        port=0,
        threads=THREADS,
        connection_limit=CONNECTION_LIMIT,
    )
    print(json.dumps({"event": "started", "port": server.port}), flush=True)  # noqa: T201
    server.run()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
