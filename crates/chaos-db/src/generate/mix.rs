//! Seeded numbers without state: the same place always gives the same number, so any row can be made alone.

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Scrambles 64 bits (the finaliser of SplitMix64; a bijection, so distinct inputs stay distinct).
#[inline]
pub(super) fn scramble(input: u64) -> u64 {
    let mut bits = input;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Returns the number at place `index` of the stream `salt`.
#[inline]
pub(super) fn at(salt: u64, index: u64) -> u64 {
    scramble(salt.wrapping_add(index.wrapping_mul(GOLDEN)))
}

/// Returns a stream of its own for `name` below `seed`.
pub(super) fn stream(seed: u64, name: &str) -> u64 {
    name.bytes().fold(scramble(seed ^ GOLDEN), |salt, byte| at(salt, u64::from(byte) + 1))
}

/// Maps 64 random bits to `0..span` without a division.
#[inline]
pub(super) fn below(bits: u64, span: u64) -> u64 {
    let wide = u128::from(bits) * u128::from(span);
    // The upper half of a 64 by 64 bit product always fits 64 bits.
    (wide >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_below_the_span_and_reach_both_ends() {
        let seen: Vec<u64> = (0..1000).map(|index| below(at(7, index), 10)).collect();
        assert_eq!(seen.iter().max(), Some(&9));
        assert_eq!(seen.iter().min(), Some(&0));
    }

    #[test]
    fn two_names_have_two_streams() {
        assert_ne!(stream(1, "email"), stream(1, "name"));
        assert_ne!(stream(1, "email"), stream(2, "email"));
    }
}
