//! Writes numbers as text into a buffer, without allocating.

/// Appends `number` in decimal.
#[inline]
pub(super) fn push_unsigned(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0_u8; 20];
    let mut place = digits.len();
    loop {
        place -= 1;
        digits[place] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[place..]);
}

/// Appends `number` in decimal, with its sign.
#[inline]
pub(super) fn push_signed(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    push_unsigned(out, number.unsigned_abs());
}

/// Appends `number` in decimal with leading zeros up to `width` digits.
#[inline]
pub(super) fn push_padded(out: &mut Vec<u8>, number: u64, width: u32) {
    let mut unit = 10_u64.pow(width.saturating_sub(1));
    while unit > 1 && number < unit {
        out.push(b'0');
        unit /= 10;
    }
    push_unsigned(out, number);
}

/// Appends a decimal of `units` with `scale` digits behind the point: 1234 with scale 2 is `12.34`.
#[inline]
pub(super) fn push_decimal(out: &mut Vec<u8>, units: i64, scale: u32) {
    if scale == 0 {
        return push_signed(out, units);
    }
    if units < 0 {
        out.push(b'-');
    }
    let divisor = 10_u64.pow(scale);
    push_unsigned(out, units.unsigned_abs() / divisor);
    out.push(b'.');
    push_padded(out, units.unsigned_abs() % divisor, scale);
}

/// Appends `number` in base 36 with digits and small letters, so that it stays distinct where case is ignored.
#[inline]
pub(super) fn push_base36(out: &mut Vec<u8>, mut number: u64) {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut digits = [0_u8; 13];
    let mut place = digits.len();
    loop {
        place -= 1;
        digits[place] = DIGITS[(number % 36) as usize];
        number /= 36;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[place..]);
}

/// Appends the `count` lowest hexadecimal digits of `bits`.
#[inline]
pub(super) fn push_hex(out: &mut Vec<u8>, bits: u64, count: u32) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for place in (0..count).rev() {
        out.push(DIGITS[((bits >> (4 * place)) & 15) as usize]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_are_written_as_people_write_them() {
        assert_eq!(written(|out| push_signed(out, i64::MIN)), i64::MIN.to_string());
        assert_eq!(written(|out| push_unsigned(out, 0)), "0");
        assert_eq!(written(|out| push_padded(out, 7, 2)), "07");
        assert_eq!(written(|out| push_padded(out, 2024, 4)), "2024");
        assert_eq!(written(|out| push_decimal(out, -1205, 2)), "-12.05");
        assert_eq!(written(|out| push_decimal(out, 5, 3)), "0.005");
        assert_eq!(written(|out| push_base36(out, 36 * 36 + 35)), "10z");
        assert_eq!(written(|out| push_hex(out, 0xabc, 4)), "0abc");
    }
}
