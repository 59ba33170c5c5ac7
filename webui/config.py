"""Settings of the web process. `WebConfig.from_env` is called by __main__.py and users.py."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from blueno import names
from blueno.data.badsample import MAX_SAMPLE_BYTES
from blueno.db.config import DatabaseConfig
from blueno.errors import InvalidSpec
from webui.proxies import Proxies, parse_networks

STATIC = Path(__file__).parent / "static"


@dataclass(frozen=True)
class WebConfig:
    """Each field names its environment variable."""

    database: DatabaseConfig  # BLUENO_DATABASE_URL_FILE, BLUENO_DATABASE_POOL
    keys: Path  # BLUENO_KEYS_DIR: web.key, session.key, cursor.key
    report_url: str = ""  # BLUENO_REPORT_URL; empty: data servers are not kept awake from here
    report_ca: Path | None = None  # BLUENO_REPORT_CA_FILE
    token_file: Path = Path(names.TOKEN_FILE)  # BLUENO_TOKEN_FILE: who we are, for the report endpoint
    static: Path = STATIC  # BLUENO_STATIC_DIR
    http_port: int = 8080  # BLUENO_HTTP_PORT
    metrics_port: int = 9090  # BLUENO_METRICS_PORT
    public_url: str = ""  # BLUENO_PUBLIC_URL, for example https://blueno.example.org
    upload_rate: int = 256 << 20  # BLUENO_UPLOAD_MIB_PER_SECOND, of one person; 0: as fast as it goes
    upload_limit: int = MAX_SAMPLE_BYTES  # BLUENO_UPLOAD_LIMIT_MIB, of one file
    default_namespace: str = "default"  # BLUENO_DEFAULT_NAMESPACE: where clients of 2019 are whose user may enter all
    proxies: Proxies = field(default_factory=Proxies)  # BLUENO_TRUSTED_PROXIES: whose X-Forwarded-For is believed

    @property
    def origin(self) -> str:
        """What a browser calls the origin of our pages; "" when it is whatever the Host header says."""
        parts = urlsplit(self.public_url)
        return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""

    @property
    def secure(self) -> bool:
        """Whether cookies may travel over TLS only."""
        return self.public_url.startswith("https://")

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> WebConfig:
        """Raises InvalidSpec naming the variable that is missing or cannot be understood."""
        authority = env.get("BLUENO_REPORT_CA_FILE", "")
        return cls(
            database=DatabaseConfig.from_env(env),
            keys=Path(_needed(env, "BLUENO_KEYS_DIR", "must name the folder with web.key, session.key and cursor.key")),
            report_url=_url(env, "BLUENO_REPORT_URL"),
            report_ca=Path(authority) if authority else None,
            token_file=Path(env.get("BLUENO_TOKEN_FILE", names.TOKEN_FILE)),
            static=Path(env.get("BLUENO_STATIC_DIR") or STATIC),
            http_port=_port(env, "BLUENO_HTTP_PORT", cls.http_port),
            metrics_port=_port(env, "BLUENO_METRICS_PORT", cls.metrics_port),
            public_url=_url(env, "BLUENO_PUBLIC_URL"),
            upload_rate=_whole(env, "BLUENO_UPLOAD_MIB_PER_SECOND", cls.upload_rate >> 20) << 20,
            upload_limit=_upload_limit(env),
            default_namespace=_namespace(env, "BLUENO_DEFAULT_NAMESPACE", cls.default_namespace),
            proxies=Proxies(parse_networks(env.get("BLUENO_TRUSTED_PROXIES", ""), "BLUENO_TRUSTED_PROXIES")),
        )


def _needed(env: Mapping[str, str], key: str, what: str) -> str:
    value = env.get(key, "")
    if not value:
        raise InvalidSpec(key, what)
    return value


def _port(env: Mapping[str, str], key: str, default: int) -> int:
    value = env.get(key) or str(default)
    if not (value.isascii() and value.isdecimal()) or int(value[:6]) > 65535:
        raise InvalidSpec(key, f"must be a port from 0 (any free one) to 65535, not {value[:40]!r}")
    return int(value)


def _whole(env: Mapping[str, str], key: str, default: int) -> int:
    value = env.get(key) or str(default)
    if not (value.isascii() and value.isdecimal()) or len(value) > 6:
        raise InvalidSpec(key, f"must be a whole number from 0 to 999999, not {value[:40]!r}")
    return int(value)


def _upload_limit(env: Mapping[str, str]) -> int:
    """In bytes: never more than a sample may have, or what is refused would be told a limit that is none."""
    asked = _whole(env, "BLUENO_UPLOAD_LIMIT_MIB", MAX_SAMPLE_BYTES >> 20) << 20
    return min(max(1 << 20, asked), MAX_SAMPLE_BYTES)


def _namespace(env: Mapping[str, str], key: str, default: str) -> str:
    value = env.get(key) or default
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", value):
        raise InvalidSpec(key, f"must be the name of a namespace, not {value[:80]!r}")
    return value


def _url(env: Mapping[str, str], key: str) -> str:
    value = env.get(key, "").rstrip("/")
    parts = urlsplit(value)
    if value and (parts.scheme not in ("http", "https") or not parts.netloc or "@" in parts.netloc or parts.query):
        raise InvalidSpec(key, f"must be an address like https://host:port, not {value[:80]!r}")
    return value
