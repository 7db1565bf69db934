//! Texts made beforehand, side by side in one buffer, so that picking one touches little memory.

/// An ordered set of texts.
#[derive(Debug, Clone, Default)]
pub(super) struct Pool {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Pool {
    /// Puts the texts side by side.
    pub(super) fn new<T: AsRef<[u8]>>(texts: impl IntoIterator<Item = T>) -> Self {
        let mut pool = Self::default();
        for text in texts {
            pool.bytes.extend_from_slice(text.as_ref());
            // Pools are built by us from bounded lists; far below 4 GiB.
            pool.ends.push(u32::try_from(pool.bytes.len()).unwrap_or(u32::MAX));
        }
        pool
    }

    /// Returns how many texts there are.
    #[inline]
    pub(super) fn len(&self) -> u64 {
        self.ends.len() as u64
    }

    /// Returns the text at `index`.
    #[inline]
    pub(super) fn get(&self, index: u64) -> &[u8] {
        let index = index as usize;
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        &self.bytes[start..self.ends[index] as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_gives_back_what_was_put_in() {
        let pool = Pool::new(["one", "", "three"]);
        let texts: Vec<&[u8]> = (0..pool.len()).map(|index| pool.get(index)).collect();
        assert_eq!(texts, [b"one" as &[u8], b"", b"three"]);
    }
}
