//! Segment buffers that are used again, so that a busy conversation does not allocate.

/// A bounded free list of byte buffers, shared by the conversations of an endpoint.
#[derive(Debug, Default)]
pub struct Pool {
    free: Vec<Vec<u8>>,
}

/// At most this many idle buffers are kept: about 1.5 MB.
const MAX_FREE: usize = 1024;
/// Larger buffers go back to the allocator instead.
const MAX_CAPACITY: usize = 2048;

impl Pool {
    /// An empty buffer.
    pub fn take(&mut self, capacity: usize) -> Vec<u8> {
        self.free
            .pop()
            .unwrap_or_else(|| Vec::with_capacity(capacity))
    }

    /// Give a buffer back.
    pub fn give(&mut self, mut buffer: Vec<u8>) {
        if self.free.len() < MAX_FREE && buffer.capacity() <= MAX_CAPACITY {
            buffer.clear();
            self.free.push(buffer);
        }
    }

    /// Return idle buffers to the allocator.
    pub fn trim(&mut self) {
        self.free = Vec::new();
    }
}
