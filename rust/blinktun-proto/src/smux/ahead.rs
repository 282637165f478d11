//! The end of a stream and what comes before it, while bytes are missing in between.

use super::Error;
use super::gaps::Gaps;

/// What has come of a stream ahead of missing bytes.
#[derive(Clone, Debug)]
pub(super) struct Ahead {
    /// Bytes that have come without a gap, counted from some point on.
    reached: u64,
    gaps: Gaps,
    /// Where the stream ends, if that is known.
    end: Option<u64>,
}

/// Where counting begins: the stream may go back by 31 bits from here.
const BEGIN: u64 = 1 << 32;

impl Ahead {
    /// Nothing has come.
    pub(super) fn new() -> Ahead {
        Ahead {
            reached: BEGIN,
            gaps: Gaps::default(),
            end: None,
        }
    }

    /// Bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.gaps.bytes()
    }

    /// Pieces that wait.
    pub(super) fn pieces(&self) -> usize {
        self.gaps.pieces()
    }

    /// Heap memory, in bytes.
    pub(super) fn allocated(&self) -> usize {
        self.gaps.allocated()
    }

    /// Nothing is missing, and no end is known.
    pub(super) fn is_idle(&self) -> bool {
        self.end.is_none() && self.gaps.pieces() == 0
    }

    /// Whether all bytes up to the end have come.
    pub(super) fn is_complete(&self) -> bool {
        self.end == Some(self.reached)
    }

    /// `data` has come, which belongs `distance` bytes beyond what has come without a gap; behind it the stream
    /// ends if it `is_last`. What goes on without a gap is given to `deliver`, in order.
    ///
    /// # Errors
    /// [`Error::Segment`]: there are bytes behind the end, or two ends.
    pub(super) fn take(
        &mut self,
        distance: i32,
        data: &[u8],
        is_last: bool,
        mut deliver: impl FnMut(&[u8]),
    ) -> Result<(), Error> {
        let place = self.reached.saturating_add_signed(distance.into());
        let end = place + data.len() as u64;
        if is_last {
            let beyond = self.gaps.end().unwrap_or(self.reached).max(self.reached);
            let is_other = self.end.is_some_and(|known| known != end);
            if is_other || end < beyond {
                return Err(Error::Segment);
            }
            self.end = Some(end);
        }
        if self.end.is_some_and(|known| end > known) {
            return Err(Error::Segment);
        }
        let behind = usize::try_from(-i64::from(distance)).unwrap_or(0);
        if distance > 0 {
            self.gaps.insert(place, data);
        } else if let Some(new) = data.get(behind..)
            && !new.is_empty()
        {
            deliver(new);
            self.reached += new.len() as u64;
            self.gaps.pass(self.reached);
            while let Some(piece) = self.gaps.take(self.reached) {
                deliver(&piece);
                self.reached += piece.len() as u64;
            }
        }
        Ok(())
    }
}
