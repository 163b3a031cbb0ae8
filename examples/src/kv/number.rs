//! Decimal integers, as Redis reads and writes them.
//!
//! Owns: the strict form (no plus, no leading zero, no space, nothing behind) that decides whether
//! a value is a number and whether a length is one.

/// The integer that `text` is, if it is one in its only form.
pub(super) fn parse(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] => {}
        _ => return None,
    }
    // Downwards, because there is one more number below zero than above.
    let mut number = 0_i64;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.checked_mul(10)?.checked_sub(i64::from(digit))?;
    }
    if negative { Some(number) } else { number.checked_neg() }
}

/// The longest number: `-9223372036854775808`.
const LONGEST: usize = 20;

/// Calls `f` with the text of `number`.
pub(super) fn with_text<T>(number: i64, f: impl FnOnce(&[u8]) -> T) -> T {
    let mut text = [0; LONGEST];
    let mut at = LONGEST;
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        text[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        at -= 1;
        text[at] = b'-';
    }
    f(&text[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_form() {
        for (text, number) in [
            ("0", 0),
            ("7", 7),
            ("-1", -1),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(number));
            assert_eq!(with_text(number, <[u8]>::to_vec), text.as_bytes());
        }
        let not = [
            "",
            "-",
            "-0",
            "+1",
            "01",
            "-01",
            " 1",
            "1 ",
            "1a",
            "1.0",
            "0x1",
            "9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999",
        ];
        for text in not {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
    }
}
