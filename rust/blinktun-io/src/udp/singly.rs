//! Datagrams one by one: what each of them met.

use super::send_error::SendError;

/// What became of datagrams that were sent one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Singly {
    /// Bytes of those that left or were refused. For the rest the kernel has no room now.
    pub done: usize,
    /// How many left.
    pub left: u64,
    /// How many were refused.
    pub refused: u64,
}

/// Send datagrams that lie back to back, each `stride` bytes long, the last maybe shorter.
///
/// `send` gets those that are still to be sent, and says how many of them left, at least one, or
/// what the first one met. One that is refused stops no other.
pub fn send_singly(
    datagrams: &[u8],
    stride: usize,
    mut send: impl FnMut(&[u8]) -> Result<usize, SendError>,
) -> Singly {
    let mut singly = Singly::default();
    while singly.done < datagrams.len() {
        let count = match send(&datagrams[singly.done..]) {
            Ok(count) => {
                singly.left += count as u64;
                count
            }
            Err(SendError::NoRoom) => break,
            Err(_) => {
                singly.refused += 1;
                1
            }
        };
        singly.done = datagrams.len().min(singly.done + count * stride);
    }
    singly
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Five datagrams, the last one short.
    const DATAGRAMS: &[u8] = &[1, 1, 2, 2, 3, 3, 4, 4, 5];

    fn play(results: &[Result<usize, SendError>]) -> (Singly, Vec<u8>) {
        let (mut results, mut firsts) = (results.iter(), Vec::new());
        let singly = send_singly(DATAGRAMS, 2, |rest| {
            firsts.push(rest[0]);
            *results.next().expect("not asked again")
        });
        assert!(results.next().is_none());
        (singly, firsts)
    }

    #[test]
    fn one_that_is_refused_stops_no_other() {
        let refused = Err(SendError::Refused);
        let (singly, firsts) = play(&[Ok(1), refused, Ok(2), refused]);
        let (left, refused) = (3, 2);
        let done = DATAGRAMS.len();
        assert_eq!(
            singly,
            Singly {
                done,
                left,
                refused
            }
        );
        assert_eq!(firsts, [1, 2, 3, 5]);
    }

    #[test]
    fn what_there_is_no_room_for_is_left_to_the_caller() {
        let (singly, _) = play(&[Ok(2), Err(SendError::NoMemory), Err(SendError::NoRoom)]);
        let (done, left, refused) = (6, 2, 1);
        assert_eq!(
            singly,
            Singly {
                done,
                left,
                refused
            }
        );
        assert_eq!(play(&[Err(SendError::NoRoom)]).0, Singly::default());
    }
}
