"""FHIR base URLs and the links below them: one reading, so that no two readers can differ.

Everything odd is refused rather than repaired: user-info, fragments, percent-encoding in host or
path, backslashes, dot segments, characters beyond visible ASCII (an IDN is configured as xn--),
numbers as hosts that are not plain dotted IPv4. Which bases may be called is decided elsewhere.

Source: security-reliability.md T30 to T33.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Self

_LONGEST_URL = 8192
_VISIBLE = re.compile(r"[\x21-\x7e]+")
_ABSOLUTE = re.compile(
    r"(?P<scheme>https?)://(?P<authority>[^/?#]+)(?P<path>/[^?#]*)?(?P<query>\?[^#]*)?",
    re.IGNORECASE,
)
_HAS_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_AUTHORITY = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9.-]+))(?::(?P<port>[1-9][0-9]{0,4}))?"
)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# A host whose last label is a number (also 0x...) is an IP address to some readers.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_SEGMENT = re.compile(r"[A-Za-z0-9._~$-]+")
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseUrl:
    """A normalised FHIR base: lower-case scheme and host, port always stated, no slash at the end.

    Two bases are the same server exactly when they are equal. `str()` leaves out a default port.

    >>> str(BaseUrl.parse("HTTPS://EHR.example.org:443/api/FHIR/R4/"))
    'https://ehr.example.org/api/FHIR/R4'
    >>> BaseUrl.parse("https://ehr.example.org@evil.example/") is None
    True
    """

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, text: object) -> Self | None:
        """Read a base URL; None for anything that is not plainly one."""
        if not isinstance(text, str) or (parts := _parts(text)) is None:
            return None
        scheme, host, port, path, query = parts
        if query:
            return None
        path = path.removesuffix("/")
        if not _is_plain_path(path):
            return None
        return cls(scheme=scheme, host=host, port=port, path=path)

    @property
    def origin(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    @property
    def is_loopback(self) -> bool:
        """Whether the host is localhost or a loopback address (the name is not resolved)."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def below(self, link: str) -> str | None:
        """Return the absolute URL that a link of this server means; None unless it is below it.

        Relative links are read against the base, as FHIR has it. The URL is built from the parts
        that were compared, never from the text.

        >>> base = BaseUrl.parse("https://ehr.example.org/R4")
        >>> base.below("Condition?patient=1")
        'https://ehr.example.org/R4/Condition?patient=1'
        >>> base.below("https://ehr.example.org.evil.example/R4/Condition") is None
        True
        """
        parts = _parts(self._absolute(link))
        if parts is None:
            return None
        scheme, host, port, path, query = parts
        rest = path.removeprefix(self.path)
        is_same_server = (scheme, host, port) == (self.scheme, self.host, self.port)
        is_under_path = path.startswith(self.path) and (not rest or rest.startswith("/"))
        if not (is_same_server and is_under_path and _is_plain_path(rest.removesuffix("/"))):
            return None
        return f"{self.origin}{path}{query}"

    def page_below(self, link: str, resource_type: str) -> str | None:
        """Return the URL of a further page of a list of `resource_type`; None for another link.

        Servers lead to the base itself, to the type, or to a path of their own making. A path that
        begins with another word is taken for another type; operations and histories are no pages.

        Source: security-reliability.md T33, T37.

        >>> base = BaseUrl.parse("https://ehr.example.org/R4")
        >>> base.page_below("?_getpages=7", "Condition")
        'https://ehr.example.org/R4?_getpages=7'
        >>> base.page_below("Patient/1/$everything", "Condition") is None
        True
        """
        url = self.below(link)
        if url is None:
            return None
        first, *rest = url.removeprefix(str(self)).partition("?")[0].strip("/").split("/")
        if first.isalpha() and first.lower() != resource_type.lower():
            return None
        is_odd = any(part.startswith("$") or part == "_history" for part in (first, *rest))
        return None if is_odd else url

    def _absolute(self, link: str) -> str:
        if link.startswith("//"):
            return f"{self.scheme}:{link}"
        if link.startswith("/"):
            return f"{self.origin}{link}"
        if link.startswith("?"):
            return f"{self}{link}"
        return f"{self}/{link}" if link and not _HAS_SCHEME.match(link) else link

    def __str__(self) -> str:
        return f"{self.origin}{self.path}"


def _parts(url: str) -> tuple[str, str, int, str, str] | None:
    """Scheme, host, port, path and query with its question mark; None for anything odd."""
    if len(url) > _LONGEST_URL or not _VISIBLE.fullmatch(url):
        return None
    whole = _ABSOLUTE.fullmatch(url)
    authority = _AUTHORITY.fullmatch(whole["authority"]) if whole else None
    if whole is None or authority is None:
        return None
    scheme = whole["scheme"].lower()
    host = _address(authority["six"]) if authority["six"] else _name(authority["name"].lower())
    port = int(authority["port"] or _DEFAULT_PORTS[scheme])
    if host is None or port > 65535:
        return None
    return scheme, host, port, whole["path"] or "", whole["query"] or ""


def _address(six: str) -> str | None:
    """An IPv6 address in its shortest form; None for an IPv4 address in disguise."""
    try:
        address = ipaddress.IPv6Address(six)
    except ValueError:
        return None
    return None if address.ipv4_mapped else str(address)


def _name(host: str) -> str | None:
    """A lower-case host name or a plain dotted IPv4 address; None for every other form."""
    labels = host.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels):
        return None
    if not _NUMBER.fullmatch(labels[-1]):
        return host
    try:
        return str(ipaddress.IPv4Address(host))
    except ValueError:
        return None


def _is_plain_path(path: str) -> bool:
    """Whether a path is empty, or made of plain, non-empty segments other than dot segments."""
    segments = path.split("/")[1:]
    return all(_SEGMENT.fullmatch(part) and part not in {".", ".."} for part in segments)
