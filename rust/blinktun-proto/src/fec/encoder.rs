//! Data packets in, parity packets out (kcptun wire, 4.1 to 4.5).

use super::code::interpolate;
use super::redundancy::Redundancy;
use super::{ShardError, Shards};
use crate::time::Time;
use crate::wire::SeqId;
use crate::wire::fec::{HEADER, PARITY_HEADER, TYPE_DATA, TYPE_PARITY};

/// Parity rows start at whole cache lines, which the kernels read and write fastest.
const LINE: usize = 64;

/// Rows grow in steps of this, so that a few packet sizes do not move them often.
const STEP: usize = 512;

/// Numbers the packets of one direction and makes their parity.
///
/// [`Encoder::encode`] every KCP datagram; then, while [`Encoder::parity_due`] is not 0, give
/// [`Encoder::write_parity`] buffers of [`Encoder::parity_len`] bytes.
///
/// How much parity a group gets is up to its [`Redundancy`].
///
/// Each data shard is added to the parity rows of its group as it comes, while its bytes are in the cache; none
/// is stored. Memory is `parity` rows as long as the longest shard so far, from the first packet on.
pub struct Encoder {
    shards: Shards,
    redundancy: Redundancy,
    /// Of data shard `i` in the parity rows: `coeffs[i * parity..][..parity]`.
    coeffs: Vec<u8>,
    next: SeqId,
    /// Data packets in the open group.
    filled: usize,
    /// Parity packets that are prepared for the open group.
    prepared: usize,
    /// Parity packets still to be written.
    due: usize,
    /// Those of the group that were written already.
    written: usize,
    rows: Rows,
    last_data: Option<Time>,
}

impl Encoder {
    /// An encoder that counts from 0. Fails unless both numbers are at least 1 and together at most
    /// [`super::MAX_SHARDS`].
    pub fn new(data: usize, parity: usize) -> Result<Encoder, ShardError> {
        let shards = Shards::new(data, parity)?;
        let positions: Vec<u8> = (0..shards.total()).map(|position| position as u8).collect();
        let (known, wanted) = positions.split_at(data);
        let mut coeffs = Vec::with_capacity(data * parity);
        interpolate(known, wanted, &mut coeffs);
        let (rows, next) = (Rows::default(), SeqId(0));
        Ok(Encoder {
            shards,
            redundancy: Redundancy::WholeGroups,
            coeffs,
            next,
            filled: 0,
            prepared: 0,
            due: 0,
            written: 0,
            rows,
            last_data: None,
        })
    }

    /// How much parity each group gets from the next one on; [`Redundancy::WholeGroups`] without this.
    pub fn set_redundancy(&mut self, redundancy: Redundancy) {
        self.redundancy = redundancy;
    }

    /// Count from the group of `first` instead, modulo [`Shards::paws`].
    pub fn with_first_seqid(mut self, first: SeqId) -> Encoder {
        let (group, _) = self.shards.place(first);
        self.next = SeqId(group % self.shards.groups() * self.shards.total() as u32);
        self
    }

    /// Count on behind the open group of another one.
    pub(crate) fn going_on_behind(self, before: &Encoder) -> Encoder {
        // A group of ours may begin before its end.
        let gap = before.shards.total() + self.shards.total();
        let first = SeqId(before.next.0.saturating_add(gap as u32));
        self.with_first_seqid(first)
    }

    /// Number a data packet, `packet`: [`HEADER`] bytes that this writes, then the KCP bytes.
    ///
    /// Parity that was due and not written is given up; its numbers are never used.
    ///
    /// # Panics
    ///
    /// If `packet` is shorter than [`HEADER`] or longer than a size field can say.
    pub fn encode(&mut self, packet: &mut [u8], now: Time) {
        if self.due > 0 {
            self.end_group();
        }
        let size =
            u16::try_from(packet.len() - PARITY_HEADER).expect("a datagram's size has 16 bits");
        self.write_header(packet, TYPE_DATA);
        packet[PARITY_HEADER..HEADER].copy_from_slice(&size.to_le_bytes());
        let parity = self.shards.parity();
        if self.filled == 0 {
            self.prepared = self.redundancy.prepared(parity);
        }
        let coeffs = &self.coeffs[self.filled * parity..][..self.prepared];
        self.rows.add(&packet[PARITY_HEADER..], coeffs);
        self.filled += 1;
        let gap = self.last_data.map(|last| now.since(last));
        self.last_data = Some(now);
        if self.filled == self.shards.data() {
            (self.filled, self.due) = (0, self.redundancy.leaves(self.prepared, gap));
            if self.due == 0 {
                self.end_group();
            }
        }
    }

    /// Give the open group up, whatever has left of it: the next data packet begins another group.
    ///
    /// Without parity nobody can complete it. Costs nothing if no group is open.
    pub(crate) fn abandon_group(&mut self) {
        if self.due > 0 {
            self.end_group();
        }
        if self.filled > 0 {
            let missing = self.shards.data() - self.filled;
            self.next = self.shards.advance(self.next, missing as u32);
            self.filled = 0;
            self.end_group();
        }
    }

    /// How many parity packets are due. They must be written before the next data packet.
    pub fn parity_due(&self) -> usize {
        self.due
    }

    /// Bytes of each parity packet now due, from the FEC header on; 0 when none is.
    ///
    /// Equal to the longest data packet of the group.
    pub fn parity_len(&self) -> usize {
        if self.due == 0 {
            0
        } else {
            PARITY_HEADER + self.rows.len
        }
    }

    /// Write the next parity packet that is due.
    ///
    /// # Panics
    ///
    /// If none is due, or `out` has not [`Encoder::parity_len`] bytes.
    pub fn write_parity(&mut self, out: &mut [u8]) {
        assert!(self.due > 0, "no parity is due");
        assert_eq!(
            out.len(),
            self.parity_len(),
            "a parity packet has one length"
        );
        self.write_header(out, TYPE_PARITY);
        out[PARITY_HEADER..].copy_from_slice(self.rows.row(self.written));
        (self.written, self.due) = (self.written + 1, self.due - 1);
        if self.due == 0 {
            self.end_group();
        }
    }

    /// Whether a group has begun and is not full.
    pub(crate) fn is_open(&self) -> bool {
        self.filled > 0
    }

    /// The number of the group that the next data packet belongs to.
    pub(crate) fn next_group(&self) -> u32 {
        let (group, position) = self.shards.place(self.next);
        // Parity that is due is given up then.
        group + u32::from(position >= self.shards.data())
    }

    /// Data and parity shards of each group.
    pub(crate) fn numbers(&self) -> (usize, usize) {
        (self.shards.data(), self.shards.parity())
    }

    /// The sender's numbers.
    pub fn shards(&self) -> Shards {
        self.shards
    }

    fn write_header(&mut self, packet: &mut [u8], kind: u16) {
        packet[..4].copy_from_slice(&self.next.0.to_le_bytes());
        packet[4..PARITY_HEADER].copy_from_slice(&kind.to_le_bytes());
        self.next = self.shards.advance(self.next, 1);
    }

    /// Skip the numbers of parity that will not be sent, or groups would drift (kcptun wire, 4.4).
    fn end_group(&mut self) {
        let unsent = self.shards.parity() - self.written;
        self.next = self.shards.advance(self.next, unsent as u32);
        (self.written, self.due) = (0, 0);
        self.rows.clear();
    }
}

/// The parity rows of the open group.
#[derive(Clone, Debug, Default)]
struct Rows {
    bytes: Vec<u8>,
    /// Where the first row starts: a cache line.
    start: usize,
    /// From one row to the next.
    stride: usize,
    count: usize,
    /// The longest shard so far; rows are zero beyond it.
    len: usize,
}

impl Rows {
    fn add(&mut self, shard: &[u8], coeffs: &[u8]) {
        if shard.len() > self.stride || coeffs.len() > self.count {
            self.grow(shard.len(), coeffs.len());
        }
        self.len = self.len.max(shard.len());
        blinktun_gf::mul_add_many(&mut self.bytes[self.start..], self.stride, shard, coeffs);
    }

    fn row(&self, k: usize) -> &[u8] {
        &self.bytes[self.start + k * self.stride..][..self.len]
    }

    fn clear(&mut self) {
        for k in 0..self.count {
            self.bytes[self.start + k * self.stride..][..self.len].fill(0);
        }
        self.len = 0;
    }

    fn grow(&mut self, len: usize, count: usize) {
        let stride = len.next_multiple_of(STEP).max(self.stride);
        let count = count.max(self.count);
        let mut bytes = vec![0; stride * count + LINE];
        let start = bytes.as_ptr().align_offset(LINE).min(LINE);
        for k in 0..self.count {
            bytes[start + k * stride..][..self.len].copy_from_slice(self.row(k));
        }
        *self = Rows {
            bytes,
            start,
            stride,
            count,
            len: self.len,
        };
    }
}
