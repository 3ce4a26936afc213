"""The addresses this service listens on, and what is wrong with one that it cannot listen on."""

from __future__ import annotations

import errno
import socket
from typing import Final

from cds_service.errors import ConfigurationError

SERVICE: Final = "CDS_SERVICE"
METRICS: Final = "CDS_SERVICE_METRICS"
"""How the names of the two settings of an address begin."""


def listening_socket(host: str, port: int, *, settings: str = SERVICE) -> socket.socket:
    """Return a socket bound to the address; port 0 takes a free one.

    Raises ConfigurationError, worded by `unusable_address`.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise unusable_address(error, host=host, port=port, settings=settings) from None
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(address)
    except OSError as error:
        listening.close()
        raise unusable_address(error, host=host, port=port, settings=settings) from None
    return listening


def unusable_address(
    error: OSError | UnicodeError, *, host: str, port: int, settings: str
) -> ConfigurationError:
    """Say why nothing can listen there, by the name of the setting that is to be changed."""
    if not isinstance(error, UnicodeError | socket.gaierror) and error.errno != errno.EADDRNOTAVAIL:
        return ConfigurationError(
            f"{settings}_PORT: cannot listen on {host} port {port}: {error.strerror}; "
            "choose another"
        )
    return ConfigurationError(
        f"{settings}_HOST: is no address of this machine; name one, such as 127.0.0.1"
    )
