"""The settings in effect, as each end says them at start, so that both ends can be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blinktun.config.model import KcpSettings


def effective_settings(kcp: KcpSettings, *, learned: str) -> str:
    """One line in the words of Go's start block; the key is not in it.

    First what has to be alike at both ends, then what each end chooses for itself.

    Args:
        kcp: The settings.
        learned: The smux version if the settings leave it open.
    """
    alike = (
        f"encryption: {kcp.crypt}",
        f"smux version: {kcp.smuxver or learned}",
        f"compression: {str(not kcp.nocomp).lower()}",
        f"datashard: {kcp.datashard} parityshard: {kcp.parityshard}",
    )
    pads = (f"QPP: {kcp.qpp_count} pads of revision {kcp.qpp_revision}",) if kcp.qpp else ()
    limit = (f"ratelimit: {kcp.ratelimit}",) if kcp.ratelimit else ()
    pause = (f"closewait: {kcp.closewait}",) if kcp.closewait else ()
    own = (
        f"mtu: {kcp.mtu}",
        *limit,
        f"sndwnd: {kcp.sndwnd} rcvwnd: {kcp.rcvwnd}",
        f"nodelay parameters: {kcp.nodelay} {kcp.interval} {kcp.resend} {kcp.nc}",
        f"dscp: {kcp.dscp}",
        f"sockbuf: {kcp.sockbuf}",
        f"smuxbuf: {kcp.smuxbuf}",
        f"framesize: {kcp.framesize}",
        f"streambuf: {kcp.streambuf}",
        f"keepalive: {kcp.keepalive}",
        *pause,
    )
    return ", ".join((*alike, *pads, *own))
