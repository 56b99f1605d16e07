//! The options of an application: letters, some with an argument in parentheses.

/// Letters and their arguments, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options(Vec<(u8, Vec<u8>)>);

impl Options {
    /// Reads `gL(5000)r`.
    pub(crate) fn parse(text: &[u8]) -> Options {
        let mut options = Vec::new();
        let mut rest = text;
        while let Some((&letter, after)) = rest.split_first() {
            rest = after;
            let mut argument = Vec::new();
            if let [b'(', inside @ ..] = rest {
                let end = closing(inside);
                argument = inside[..end].to_vec();
                rest = inside.get(end + 1..).unwrap_or_default();
            }
            options.push((letter, argument));
        }
        Options(options)
    }

    /// Whether a letter is there.
    pub(crate) fn has(&self, letter: u8) -> bool {
        self.get(letter).is_some()
    }

    /// The argument of a letter, empty where it has none.
    pub(crate) fn get(&self, letter: u8) -> Option<&[u8]> {
        self.0.iter().rev().find(|(own, _)| *own == letter).map(|(_, argument)| argument.as_slice())
    }
}

/// Where the parenthesis closes that was open before this text; its end, where it does not.
fn closing(text: &[u8]) -> usize {
    let mut depth = 0_u32;
    let closes = |byte: &u8| match byte {
        b'(' => {
            depth += 1;
            false
        }
        b')' if depth == 0 => true,
        b')' => {
            depth -= 1;
            false
        }
        _ => false,
    };
    text.iter().position(closes).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_may_have_arguments() {
        let options = Options::parse(b"gL(5000:1)U(a^b(c))t(");
        assert_eq!(options.get(b'L'), Some(&b"5000:1"[..]));
        assert_eq!(options.get(b'U'), Some(&b"a^b(c)"[..]));
        assert_eq!(
            (options.get(b'g'), options.has(b'T'), options.get(b't')),
            (Some(&b""[..]), false, Some(&b""[..]))
        );
        assert_eq!(Options::parse(b""), Options::default());
    }
}
