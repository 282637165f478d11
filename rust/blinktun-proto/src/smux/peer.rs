//! The other end: the frames that it sends, and what is known of it by them.

use super::frame::{CLASSES, DATAGRAMS, Decoder, Frame, HELLO, MOVES, OFFER, SWITCH};
use super::{Error, Version};
use crate::wire::Token;

/// Which program the other end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PeerKind {
    /// No frame has come yet.
    Unheard,
    /// Its first frame was no hello: another implementation.
    Plain,
    /// It said hello.
    Blinktun,
}

impl PeerKind {
    /// What is known of it when `frame` has come, too. Blinktun's first frame is a hello, but one that
    /// comes later is believed all the same.
    fn after(self, frame: Frame<'_>) -> PeerKind {
        match (self, frame) {
            (PeerKind::Blinktun, _) | (_, Frame::Nop(HELLO)) => PeerKind::Blinktun,
            (PeerKind::Unheard | PeerKind::Plain, _) => PeerKind::Plain,
        }
    }
}

/// Whether datagrams can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// The peer has not said; what is sent waits a while.
    Unknown,
    /// The peer takes them.
    Yes,
    /// The peer is another program, or takes none.
    No,
}

/// What the other end says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said<'a> {
    /// The first hello.
    Hello,
    /// Its segments are independent from the next one on.
    Switch,
    /// The abort mark and the FIN of this stream.
    Abort(u32),
    /// Anything else.
    Frame(Frame<'a>),
}

/// The other end.
#[derive(Debug)]
pub(super) struct Peer {
    kind: PeerKind,
    decoder: Decoder,
    /// The stream of an abort mark, if that was the last frame.
    mark: Option<u32>,
    /// It takes independent segments.
    has_offered: bool,
    /// It sends nothing else.
    has_switched: bool,
    /// Whether it takes datagrams, as far as it has said.
    datagrams: Support,
    takes_classes: bool,
    /// By this it follows us to another address.
    token: Option<Token>,
}

impl Peer {
    /// A peer that speaks `version`, or the one of its first frame.
    pub(super) fn new(version: Option<Version>) -> Peer {
        Peer {
            kind: PeerKind::Unheard,
            decoder: Decoder::new(version),
            mark: None,
            has_offered: false,
            has_switched: false,
            datagrams: Support::Unknown,
            takes_classes: false,
            token: None,
        }
    }

    /// Which program it is.
    pub(super) fn kind(&self) -> PeerKind {
        self.kind
    }

    /// The version in which we speak to it; `None` before its first frame if the settings name none.
    pub(super) fn version(&self) -> Option<Version> {
        match self.kind {
            PeerKind::Blinktun => Some(Version::V2),
            PeerKind::Unheard | PeerKind::Plain => self.decoder.version(),
        }
    }

    /// The version of its own last frame.
    pub(super) fn own_version(&self) -> Option<Version> {
        self.decoder.version()
    }

    /// Whether it takes independent segments.
    pub(super) fn has_offered(&self) -> bool {
        self.has_offered
    }

    /// Whether it takes datagrams.
    pub(super) fn datagrams(&self) -> Support {
        match self.kind {
            PeerKind::Plain => Support::No,
            PeerKind::Unheard | PeerKind::Blinktun => self.datagrams,
        }
    }

    /// It does not say whether it takes datagrams, and had time to.
    pub(super) fn take_for_refusal(&mut self) {
        self.datagrams = Support::No;
    }

    /// Whether it listens to the classes of streams in them.
    pub(super) fn takes_classes(&self) -> bool {
        self.takes_classes
    }

    /// The token by which it follows us to another address, if it does.
    pub(super) fn token(&self) -> Option<Token> {
        self.token
    }

    /// Whether its segments are independent.
    pub(super) fn has_switched(&self) -> bool {
        self.has_switched
    }

    /// The next thing that it says, taken off the front of `data`; `None` when `data` is used up.
    ///
    /// # Errors
    /// It breaks the protocol.
    pub(super) fn next<'a>(&mut self, data: &mut &'a [u8]) -> Result<Option<Said<'a>>, Error> {
        let Some(frame) = self.decoder.next(data)? else {
            return Ok(None);
        };
        let kind = self.kind.after(frame);
        let before = core::mem::replace(&mut self.kind, kind);
        // Ids other than 0 mean nothing from anyone but blinktun.
        let mark = match frame {
            Frame::Nop(id) if id != 0 && kind == PeerKind::Blinktun => Some(id),
            _ => None,
        };
        let last_mark = core::mem::replace(&mut self.mark, mark);
        if let (Some(MOVES), Some(token)) = (last_mark, mark) {
            self.token = Token::new(token);
            self.mark = None; // a token means nothing else
            return Ok(Some(Said::Frame(Frame::Nop(0))));
        }
        self.has_offered |= mark == Some(OFFER);
        self.datagrams = match mark {
            Some(DATAGRAMS) => Support::Yes,
            Some(OFFER) if self.datagrams == Support::Unknown => Support::No,
            _ => self.datagrams,
        };
        self.takes_classes |= mark == Some(CLASSES);
        Ok(Some(match frame {
            _ if before != kind && kind == PeerKind::Blinktun => {
                self.decoder.allow_upgrade();
                Said::Hello
            }
            Frame::Finish(id) if last_mark == Some(id) => Said::Abort(id),
            Frame::Nop(SWITCH) if kind == PeerKind::Blinktun => {
                self.has_switched = true;
                Said::Switch
            }
            _ => Said::Frame(frame),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::Writer;
    use super::*;

    #[test]
    fn every_kind_takes_every_frame() {
        use PeerKind::{Blinktun, Plain, Unheard};
        let update = Frame::Update {
            id: 3,
            consumed: 0,
            window: 0,
        };
        let frames = [
            Frame::Open(HELLO),
            Frame::Finish(HELLO),
            Frame::Data(HELLO, b"x"),
            Frame::Nop(0),
            Frame::Nop(HELLO ^ 3),
            update,
        ];
        for (kind, next) in [(Unheard, Plain), (Plain, Plain), (Blinktun, Blinktun)] {
            for frame in frames {
                assert_eq!(kind.after(frame), next, "{kind:?} {frame:?}");
            }
            assert_eq!(kind.after(Frame::Nop(HELLO)), Blinktun, "{kind:?}");
        }
    }

    /// Whether the last of `frames` is taken for an abort of stream 3.
    fn is_abort(kind: PeerKind, frames: &[Frame<'_>]) -> bool {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(Version::V1, &mut bytes, usize::MAX);
        for frame in frames {
            match frame {
                Frame::Finish(id) => writer.finish(*id),
                Frame::Nop(id) => writer.nop(*id),
                _ => writer.open(3),
            };
        }
        let mut peer = Peer::new(None);
        peer.kind = kind;
        let (mut data, mut last) = (&bytes[..], None);
        while let Some(said) = peer.next(&mut data).expect("proper") {
            last = Some(said);
        }
        last == Some(Said::Abort(3))
    }

    #[test]
    fn an_offer_and_a_switch_count_only_from_blinktun() {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(Version::V2, &mut bytes, usize::MAX);
        for mark in [DATAGRAMS, CLASSES, OFFER, SWITCH] {
            writer.nop(mark);
        }
        for kind in [PeerKind::Unheard, PeerKind::Plain, PeerKind::Blinktun] {
            let (mut peer, mut data) = (Peer::new(None), &bytes[..]);
            peer.kind = kind;
            while peer.next(&mut data).expect("proper").is_some() {}
            let expected = kind == PeerKind::Blinktun;
            let said = [
                peer.datagrams() == Support::Yes,
                peer.takes_classes(),
                peer.has_offered(),
                peer.has_switched(),
            ];
            assert_eq!(said, [expected; 4]);
        }
    }

    #[test]
    fn a_mark_counts_only_from_blinktun_and_right_before_its_fin() {
        let fin = Frame::Finish(3);
        let frames = [
            fin,
            Frame::Nop(3),
            Frame::Nop(5),
            Frame::Nop(0),
            Frame::Open(3),
        ];
        for first in frames {
            for second in frames {
                let is_marked = (first, second) == (Frame::Nop(3), fin);
                assert_eq!(is_abort(PeerKind::Blinktun, &[first, second]), is_marked);
                assert!(!is_abort(PeerKind::Plain, &[first, second]));
                assert!(!is_abort(PeerKind::Unheard, &[first, second]));
                assert!(!is_abort(
                    PeerKind::Blinktun,
                    &[first, Frame::Nop(0), second]
                ));
            }
        }
    }
}
