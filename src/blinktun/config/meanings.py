"""What people call things elsewhere: for hints by meaning, before any hint by spelling."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def plain(word: str) -> str:
    """A word without letter case and punctuation: ``AES_256-gcm`` is ``aes256gcm``."""
    return _PUNCTUATION.sub("", word.casefold())


def by_meaning(word: str, known: Iterable[str]) -> str | None:
    """The known name that means what ``word`` means, by this table or but for punctuation."""
    names = {plain(name): name for name in known}
    meant = (plain(word), *map(plain, _MEANINGS.get(plain(word), ())))
    return next((names[name] for name in meant if name in names), None)


_PUNCTUATION = re.compile(r"[\W_]+")

_CIPHERS: Mapping[str, tuple[str, ...]] = {
    "aes256": ("aes-256-gcm", "aes", "aes-256-ctr"),
    "aes256gcm": ("aes-256-gcm", "aes-128-gcm"),
    "aes256ctr": ("aes", "aes-256-gcm"),
    "aes256cfb": ("aes", "aes-256-gcm"),
    "aes256cbc": ("aes", "aes-256-gcm", "aes-256-cfb"),
    "aes192": ("aes-192-gcm", "aes-192-ctr"),
    "aes192ctr": ("aes-192", "aes-192-gcm"),
    "aes192cfb": ("aes-192", "aes-192-gcm"),
    "aes128": ("aes-128-gcm", "aes-128-ctr"),
    "aes128ctr": ("aes-128", "aes-128-gcm"),
    "aes128cfb": ("aes-128", "aes-128-gcm"),
    "aes": ("aes-256-gcm", "aes-256-ctr"),
    "rijndael": ("aes", "aes-256-gcm", "aes-256-ctr"),
    "aesgcm": ("aes-256-gcm", "aes-128-gcm"),
    "gcm": ("aes-256-gcm", "aes-128-gcm"),
    "aead": ("ss-aead-cipher", "aes-256-gcm", "aes-128-gcm"),
    "chacha": ("chacha20-ietf-poly1305", "chacha20-ietf", "chacha20-poly1305", "salsa20"),
    "chacha20": ("chacha20-ietf-poly1305", "chacha20-ietf", "chacha20-poly1305", "salsa20"),
    "chacha20ietf": ("chacha20-ietf-poly1305", "chacha20-poly1305", "salsa20"),
    "chacha20poly1305": ("chacha20-ietf-poly1305", "chacha20-ietf", "aes-128-gcm"),
    "chacha20ietfpoly1305": ("chacha20-poly1305", "chacha20-ietf", "aes-128-gcm"),
    "xchacha20": ("xchacha20-ietf-poly1305", "chacha20-ietf", "salsa20"),
    "xchacha20poly1305": ("xchacha20-ietf-poly1305",),
    "salsa": ("salsa20",),
    "rc4": ("rc4-md5",),
    "arcfour": ("rc4-md5",),
    "des": ("3des",),
    "des3": ("3des",),
    "desede": ("3des",),
    "tripledes": ("3des",),
    "cast": ("cast5",),
    "cast128": ("cast5",),
    "bf": ("blowfish",),
    "camellia": ("camellia-256-cfb",),
    "plain": ("none",),
    "off": ("none", "false"),
    "no": ("none",),
    "disabled": ("none",),
    "sha": ("sha1",),
}
_MODES: Mapping[str, tuple[str, ...]] = {
    "fast1": ("fast",),
    "fast4": ("fast3",),
    "turbo": ("fast3",),
    "fastest": ("fast3",),
    "max": ("fast3",),
    "aggressive": ("fast3",),
    "default": ("fast", "info"),
    "slow": ("normal",),
    "custom": ("manual",),
}
_PROTOCOLS: Mapping[str, tuple[str, ...]] = {
    "socks": ("socks5",),
    "sock": ("socks5",),
    "sock5": ("socks5",),
    "socks5h": ("socks5",),
    "socksh": ("socks5",),
    "mixed": ("auto",),
    "websocket": ("ws",),
    "websockets": ("ws",),
    "ssl": ("tls",),
    "https": ("tls",),
    "http": ("ws",),
    "http2": ("h2",),
    "udp": ("kcp",),
    "kcptun": ("kcp",),
    "shadowsocks": ("ss-base", "tcp"),
}
_PRESETS: Mapping[str, tuple[str, ...]] = {
    "ss": ("ss-base",),
    "ssaead": ("ss-aead-cipher",),
    "ssstream": ("ss-stream-cipher",),
    "stream": ("ss-stream-cipher",),
    "vmess": ("v2ray-vmess",),
    "v2ray": ("v2ray-vmess",),
    "authaes128md5": ("ssr-auth-aes128-md5",),
    "authaes128sha1": ("ssr-auth-aes128-sha1",),
    "authchaina": ("ssr-auth-chain-a",),
    "authchainb": ("ssr-auth-chain-b",),
    "httpsimple": ("obfs-http",),
    "tls12ticketauth": ("obfs-tls1.2-ticket",),
    "obfstls": ("obfs-tls1.2-ticket",),
    "padding": ("obfs-random-padding",),
    "auth": ("base-auth",),
    "aes128gcm": ("ss-aead-cipher",),
}
_KEYS: Mapping[str, tuple[str, ...]] = {
    "password": ("key",),
    "passwd": ("key",),
    "pass": ("key",),
    "secret": ("key",),
    "psk": ("key",),
    "cipher": ("crypt", "method"),
    "crypto": ("crypt", "method"),
    "encrypt": ("crypt", "method"),
    "encryption": ("crypt", "method"),
    "algorithm": ("crypt", "method"),
    "method": ("crypt",),
    "crypt": ("method",),
    "local": ("localaddr",),
    "localaddress": ("localaddr",),
    "remote": ("remoteaddr",),
    "remoteaddress": ("remoteaddr",),
    "server": ("remoteaddr",),
    "listenaddr": ("listen",),
    "bind": ("listen", "service"),
    "targetaddr": ("target",),
    "forward": ("target",),
    "compression": ("nocomp",),
    "compress": ("nocomp",),
    "fec": ("datashard",),
    "connections": ("conn",),
    "uuid": ("id",),
    "loglevel": ("log_level", "quiet"),
    "logfile": ("log", "log_path"),
    "protocol": ("presets",),
    "plugin": ("presets",),
    "obfs": ("presets",),
}
_LEVELS: Mapping[str, tuple[str, ...]] = {
    "warning": ("warn",),
    "notice": ("info",),
    "trace": ("silly",),
    "fatal": ("error",),
    "critical": ("error",),
}
_COMMANDS: Mapping[str, tuple[str, ...]] = {
    "start": ("run",),
    "serve": ("run",),
    "up": ("run",),
    "test": ("check",),
    "validate": ("check",),
    "verify": ("check",),
    "lint": ("check",),
    "try": ("demo",),
    "ver": ("version",),
}
_MEANINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {**_CIPHERS, **_MODES, **_PROTOCOLS, **_PRESETS, **_KEYS, **_LEVELS, **_COMMANDS}
)
"""Plain words to names, of which the first that is known counts."""
