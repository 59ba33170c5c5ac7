"""Source URLs that must lead nowhere: `{port}` is the canary's. Used by tests/unit/hostile."""

from __future__ import annotations

from collections.abc import Mapping

_HOSTS: Mapping[str, str] = {
    "loopback": "127.0.0.1",
    "another loopback": "127.0.0.2",
    "dot at the end": "127.0.0.1.",
    "short": "127.1",
    "decimal": "2130706433",
    "octal": "0177.0.0.1",
    "octal in one": "017700000001",
    "hexadecimal": "0x7f.0.0.1",
    "hexadecimal in one": "0x7F000001",
    "hexadecimal at the end": "127.0.0.0x1",
    "leading zeros": "127.000.000.001",
    "nobody": "0.0.0.0",
    "metadata": "169.254.169.254",
    "metadata in decimal": "2852039166",
    "private 10": "10.0.0.1",
    "private 172": "172.31.255.254",
    "private 192": "192.168.0.1",
    "carrier": "100.64.0.1",
    "broadcast": "255.255.255.255",
    "multicast": "224.0.0.1",
    "IPv6 loopback": "[::1]",
    "IPv6 nobody": "[::]",
    "IPv4 mapped": "[::ffff:127.0.0.1]",
    "IPv4 mapped in hexadecimal": "[::ffff:7f00:1]",
    "IPv4 compatible": "[::127.0.0.1]",
    "IPv4 translated": "[::ffff:0:127.0.0.1]",
    "NAT64": "[64:ff9b::127.0.0.1]",
    "NAT64 of one's own": "[64:ff9b:1::7f00:1]",
    "6to4": "[2002:7f00:1::1]",
    "Teredo": "[2001:0:7f00:1::]",
    "link-local": "[fe80::1]",
    "link-local with a zone": "[fe80::1%25lo]",
    "site-local": "[fec0::1]",
    "unique local": "[fd00::1]",
    "documentation": "[2001:db8::1]",
    "new documentation": "[3fff::1]",
    "IPv6 multicast": "[ff02::1]",
    "never given out": "[4000::1]",
    "localhost": "localhost",
    "LOCALHOST": "LOCALHOST",
    "localhost with a dot": "localhost.",
    "name of loopback": "loopback.example",
    "name of metadata": "metadata.example",
    "one private address among public ones": "mixed.example",
    "in the cluster": "blueno-web.blueno.svc",
    "wide digits": "１２７.0.0.1",
    "ideographic dots": "127。0。0。1",
    "circled digits": "①②⑦.0.0.1",
    "escaped": "%31%32%37.0.0.1",
    "escaped NUL": "good.example%00.127.0.0.1",
    "user": "user@127.0.0.1",
    "user and password": "user:secret@127.0.0.1",
    "host that is a user": "good.example@127.0.0.1",
    "two at signs": "good.example@127.0.0.1@other.example",
    "backslash": "good.example\\@127.0.0.1",
    "homograph": "gооd.example",
    "punycode": "xn--lcalhost-nbh",
    "punycode in upper case": "XN--LCALHOST-NBH.",
}

# What names stand for where these tests run; any other name is unknown.
NAMES: Mapping[str, tuple[str, ...]] = {
    "loopback.example": ("127.0.0.1",),
    "metadata.example": ("169.254.169.254",),
    "mixed.example": ("93.184.216.34", "127.0.0.2"),
    "blueno-web.blueno.svc": ("10.96.0.7",),
    "public.example": ("93.184.216.34",),
    "xn--lcalhost-nbh": ("127.0.0.2",),  # localhost with a Cyrillic o
    "xn--lcalhost-nbh.": ("127.0.0.2",),
    "localhost": ("127.0.0.1", "::1"),
    "localhost.": ("127.0.0.1", "::1"),
}

URLS: Mapping[str, str] = {
    **{name: f"http://{host}:{{port}}/a.tar" for name, host in _HOSTS.items()},
    "ftp": "ftp://127.0.0.1:{port}/a.tar",
    "gopher": "gopher://127.0.0.1:{port}/_GET%20/",
    "dict": "dict://127.0.0.1:{port}/x",
    "ldap": "ldap://127.0.0.1:{port}/x",
    "s3": "s3://bucket/a.tar",
    "jar": "jar:http://127.0.0.1:{port}/a.jar!/x",
    "data": "data:application/x-tar;base64,AAAA",
    "javascript": "javascript:alert(1)",
    "no scheme": "//127.0.0.1:{port}/a.tar",
    "upper-case file": "FILE:///etc/passwd",
    "CRLF": "http://127.0.0.1:{port}/\r\nX-Injected: 1",
    "line feed in the host": "http://127.0.0.1\n:{port}/",
    "tab": "ht\ttp://127.0.0.1:{port}/",
    "blank": "http://127.0.0.1:{port}/a b",
    "NUL": "http://127.0.0.1:{port}/\0",
    "64 kB": "http://127.0.0.1:{port}/" + "x" * 65536,
    "upper-case http": "HTTP://127.0.0.1:{port}/a.tar",
    "mixed-case http": "hTtP://127.0.0.1:{port}/a.tar",
    "upper-case ftp": "FTP://127.0.0.1:{port}/a.tar",
    "port of SSH": "http://public.example:22/a.tar",
    "port of PostgreSQL": "http://public.example:5432/a.tar",
    "port of an API server": "https://public.example:6443/a.tar",
    "port with zeros": "http://public.example:00022/a.tar",
    "port 0": "http://127.0.0.1:0/",
    "port 65536": "http://127.0.0.1:65536/",
    "port that is none": "http://127.0.0.1:{port}x/",
    "open bracket": "http://[::1:{port}/",
    "nothing": "http:///a.tar",
    "empty": "",
}

FILES: Mapping[str, str] = {
    "up": "file:///../../outside.tar",
    "up, escaped": "file:///%2e%2e/%2e%2e/outside.tar",
    "up, escaped twice": "file:///%252e%252e/outside.tar",
    "up from the mount": "file:///volume/../../outside.tar",
    "host": "file://127.0.0.1/a.tar",
    "remote host": "file://good.example/a.tar",
    "relative": "file:a.tar",
    "NUL in a file's name": "file:///a%00.tar",
    "query": "file:///a.tar?x",
    "bracket": "file://[/a.tar",
    "link that leads out": "file:///out/outside.tar",
    "device": "file:///dev/zero",
    "directory": "file:///folder",
    "directory behind four slashes": "file:////folder",
    "pipe": "file:///pipe",
    "nothing there": "file:///nothing.tar",
}

_SAME = {"loopback", "name of loopback", "nothing", "empty"}  # from there, these lead back to where it came from


def _moved(url: str) -> str:
    """The same URL for the second loopback address."""
    return url.replace("127.0.0.1", "127.0.0.2").replace("7f00:1]", "7f00:2]")


# Location headers of a redirect from a source that may be asked: 127.0.0.1 may, nothing else.
REDIRECTS: Mapping[str, str] = {
    **{
        f"to {name}": _moved(url)
        for name, url in URLS.items()
        if name not in _SAME and len(url) < 60_000 and url.isascii() and not set(url) & set("\r\n\t\0")
    },
    "to a network path": "//127.0.0.2:{port}/a.tar",
    "to a broken bracket": "http://[",
    "to a file": "file:///etc/passwd",
    "to a name that changes": "http://rebind.example:{port}/a.tar",
}
