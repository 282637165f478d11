"""Settings as a person writes them into settings as the core takes them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from blinktun import _core
from blinktun.config.kcp_check import check_settings
from blinktun.errors import ConfigError

if TYPE_CHECKING:
    from blinktun.config.model import KcpSettings


def core_config(settings: KcpSettings) -> _core.Config:
    """The core's form of ``settings``.

    Raises:
        ConfigError: a setting cannot be used; the same ones as in a configuration file.
        TypeError: they are no `KcpSettings`.
    """
    check_settings(settings)
    try:
        return _core.Config(
            crypt=settings.crypt,
            pass_=_derived(settings.key.encode()),
            mtu=settings.mtu,
            sndwnd=settings.sndwnd,
            rcvwnd=settings.rcvwnd,
            ratelimit=settings.ratelimit,
            datashard=settings.datashard,
            parityshard=settings.parityshard,
            nodelay=settings.nodelay != 0,
            interval=settings.interval,
            resend=settings.resend,
            nc=settings.nc != 0,
            nocomp=settings.nocomp,
            smuxver=settings.smuxver,
            smuxbuf=settings.smuxbuf,
            framesize=settings.framesize,
            streambuf=settings.streambuf,
            keepalive=float(settings.keepalive),
            closewait=float(settings.closewait),
            sockbuf=settings.sockbuf,
            dscp=settings.dscp,
            pads=_pads_of(settings),
        )
    except ValueError as error:
        raise ConfigError(str(error), fix="change the KCP settings") from error


@lru_cache(maxsize=32)
def _derived(key: bytes) -> bytes:
    """4096 rounds of PBKDF2 take milliseconds: once a key is enough."""
    return _core.derive_key(key)


def _pads_of(settings: KcpSettings) -> _core.Pads | None:
    if not settings.qpp:
        return None
    return _pads(settings.key.encode(), settings.qpp_count, settings.qpp_revision)


@lru_cache(maxsize=8)
def _pads(key: bytes, count: int, revision: str) -> _core.Pads:
    """61 pads take 5 to 10 ms: a moment at start, then shared."""
    return _core.Pads(key, count, revision)
