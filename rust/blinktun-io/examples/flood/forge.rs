//! Noise, forgeries and replays.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::rc::Rc;

use blinktun_proto::crypt::{MAX_DATAGRAM, PacketCrypt, Verdict};
use blinktun_proto::random::Random;

use crate::genuine::Client;
use crate::options::{Mode, Options};

/// Datagrams from one genuine session to the next.
const REFRESH: u64 = 50_000;
/// Values at which arithmetic goes wrong.
const EDGES: [u32; 8] = [
    0,
    1,
    0xff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffe,
    0xffff_ffff,
    65_536,
];
/// Offsets of the fields of a KCP segment, and their lengths (kcptun wire, 3.1).
const FIELDS: [(usize, usize); 8] = [
    (0, 4),
    (4, 1),
    (5, 1),
    (6, 2),
    (8, 4),
    (12, 4),
    (16, 4),
    (20, 4),
];
/// The same of a FEC header (kcptun wire, 4.1).
const FEC_FIELDS: [(usize, usize); 3] = [(0, 4), (4, 2), (6, 2)];
const FEC_HEADER: usize = 8;

/// Makes the datagrams of every mode but `spoof`.
pub struct Forger {
    modes: &'static [Mode],
    to: SocketAddr,
    crypt: PacketCrypt,
    client: Client,
    random: Random,
    /// The socket of the newest genuine session, and what it sent.
    socket: Option<Rc<UdpSocket>>,
    sealed: Vec<Vec<u8>>,
    payloads: Vec<Vec<u8>>,
    out: Vec<u8>,
}

impl Forger {
    /// Nothing is sent yet.
    pub fn new(options: &Options, random: &mut Random) -> Forger {
        let modes: &[Mode] = match options.mode {
            Mode::Random => &[Mode::Random],
            Mode::Mutate => &[Mode::Mutate],
            Mode::Replay => &[Mode::Replay],
            Mode::Storm | Mode::Spoof => &[Mode::Random, Mode::Mutate, Mode::Replay],
        };
        Forger {
            modes,
            to: options.to,
            crypt: options.crypt(),
            client: Client::new(options, random),
            random: random.clone(),
            socket: None,
            sealed: Vec::new(),
            payloads: Vec::new(),
            out: Vec::new(),
        }
    }

    /// Before datagram `number`: now and then hold a new genuine session. Returns the socket of the
    /// newest.
    ///
    /// # Errors
    /// What the system says of its socket; `NotConnected` if nobody answered the first one.
    pub fn refresh(&mut self, number: u64) -> io::Result<Option<Rc<UdpSocket>>> {
        if number.is_multiple_of(REFRESH) && self.modes != [Mode::Random] {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            socket.connect(self.to)?;
            socket.set_nonblocking(true)?;
            let (sent, heard) = self.client.talk(&socket);
            if number == 0 && !heard {
                return Err(io::ErrorKind::NotConnected.into());
            }
            self.sealed = sent;
            self.socket = Some(Rc::new(socket));
            self.open_captured();
        }
        Ok(self.socket.clone())
    }

    fn open_captured(&mut self) {
        let mut verdicts = Vec::new();
        self.payloads.clear();
        for datagram in &self.sealed {
            let mut opened = datagram.clone();
            verdicts.clear();
            self.crypt.open(&mut opened, datagram.len(), &mut verdicts);
            assert_eq!(verdicts, [Verdict::Ok]);
            opened.truncate(opened.len() - self.crypt.tail());
            self.payloads.push(opened.split_off(self.crypt.head()));
        }
    }

    /// The next datagram.
    pub fn next(&mut self) -> &[u8] {
        let mode = self.modes[self.below(self.modes.len())];
        match mode {
            Mode::Replay => {
                let index = self.below(self.sealed.len());
                self.out.clone_from(&self.sealed[index]);
            }
            Mode::Mutate => {
                let mut payload = self.any_payload();
                for _ in 0..=self.below(3) {
                    self.mutate(&mut payload);
                }
                self.seal(&payload);
            }
            _ => self.make_noise(),
        }
        &self.out
    }

    fn make_noise(&mut self) {
        let len = self.below(MAX_DATAGRAM + 1);
        let mut noise = vec![0; len];
        self.random.fill(&mut noise);
        if self.below(2) == 0 {
            self.out = noise;
            return;
        }
        // Make most of it look like something, or all of it fails the same first check.
        if let Some(command) = noise.get_mut(4)
            && self.random.below(2) == 0
        {
            *command = 81 + self.random.below(4) as u8;
        } else if let Some(kind) = noise.get_mut(4..6) {
            kind.copy_from_slice(&[0xf1 + self.random.below(3) as u8, 0]);
        }
        self.seal(&noise);
    }

    fn mutate(&mut self, payload: &mut Vec<u8>) {
        let len = payload.len();
        match self.below(8) {
            0..3 => self.change_field(payload),
            3 => payload.truncate(self.below(len + 1)),
            4 => {
                let more = self.any_payload();
                payload.extend(more);
            }
            5 => {
                let (other, cut) = (self.any_payload(), self.below(len + 1));
                payload.truncate(cut);
                payload.extend(other.iter().skip(cut));
            }
            // What KCP carries: compressed smux frames.
            _ if len > 32 => {
                for _ in 0..=self.below(4) {
                    let at = 32 + self.below(len - 32);
                    payload[at] = self.random.next_u32() as u8;
                }
            }
            _ => payload.reverse(),
        }
    }

    fn change_field(&mut self, payload: &mut [u8]) {
        let is_fec = payload.get(4).is_some_and(|kind| *kind >= 0xf1);
        let (start, (at, len)) = match (is_fec, self.below(3)) {
            (true, 0) => (0, FEC_FIELDS[self.below(FEC_FIELDS.len())]),
            (true, _) => (FEC_HEADER, FIELDS[self.below(FIELDS.len())]),
            (false, _) => (0, FIELDS[self.below(FIELDS.len())]),
        };
        let Some(field) = payload.get_mut(start + at..start + at + len) else {
            return;
        };
        let mut old = [0; 4];
        old[..len].copy_from_slice(field);
        let old = u32::from_le_bytes(old);
        let new = match self.random.below(3) {
            0 => EDGES[self.random.below(EDGES.len() as u64) as usize],
            1 => old
                .wrapping_add(self.random.below(64) as u32)
                .wrapping_sub(32),
            _ => self.random.next_u32(),
        };
        field.copy_from_slice(&new.to_le_bytes()[..len]);
    }

    fn seal(&mut self, payload: &[u8]) {
        let (head, tail) = (self.crypt.head(), self.crypt.tail());
        let payload = &payload[..payload.len().min(MAX_DATAGRAM - head - tail)];
        self.out.clear();
        self.out.resize(head + payload.len() + tail, 0);
        self.out[head..head + payload.len()].copy_from_slice(payload);
        let len = self.out.len();
        if len > 0 {
            self.crypt.seal(&mut self.out, len, &mut self.random);
        }
    }

    fn any_payload(&mut self) -> Vec<u8> {
        let index = self.below(self.payloads.len());
        self.payloads[index].clone()
    }

    fn below(&mut self, bound: usize) -> usize {
        self.random.below(bound as u64) as usize
    }
}
