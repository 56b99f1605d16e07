//! Mangles texts, the same way for the same seed.

use crate::targets::Target;

/// Where inputs come from.
pub(crate) struct Mutator {
    random: u64,
    /// Inputs are cut there.
    longest: usize,
    corpus: Vec<Vec<u8>>,
    words: &'static [&'static str],
}

impl Mutator {
    pub(crate) fn new(seed: u64, corpus: Vec<Vec<u8>>, target: &Target) -> Mutator {
        let random = seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15);
        Mutator { random, longest: target.longest, corpus, words: target.words }
    }

    /// The next input.
    pub(crate) fn next(&mut self) -> Vec<u8> {
        let mut text = self.seed().to_vec();
        let most = self.below(8) + 1;
        for _ in 0..=self.below(most) {
            self.mangle(&mut text);
        }
        text.truncate(self.longest);
        text
    }

    fn mangle(&mut self, text: &mut Vec<u8>) {
        let (from, to) = self.range(text.len());
        match self.below(12) {
            0 => drop(text.drain(from..to)),
            1 => {
                let piece = text[from..to].to_vec();
                let at = self.below(text.len() + 1);
                text.splice(at..at, piece);
            }
            2 => {
                let other = self.seed().to_vec();
                let (start, end) = self.range(other.len());
                text.splice(from..to, other[start..end].iter().copied());
            }
            3 if !text.is_empty() => {
                let at = self.below(text.len());
                text[at] ^= 1 << self.below(8);
            }
            4 if !text.is_empty() => {
                let at = self.below(text.len());
                text[at] = ODD[self.below(ODD.len())];
            }
            5 => {
                let byte = ODD[self.below(ODD.len())];
                let times = [1, 2, 100, 1023, 1024, 5000][self.below(6)];
                text.splice(from..from, std::iter::repeat_n(byte, times));
            }
            6 => {
                // A line goes, or comes twice.
                let mut lines: Vec<_> = text.split_inclusive(|&b| b == b'\n').map(<[u8]>::to_vec).collect();
                let Some(last) = lines.len().checked_sub(1) else { return };
                let (one, other) = (self.below(last + 1), self.below(last + 1));
                match self.below(3) {
                    0 => drop(lines.remove(one)),
                    1 => lines.insert(other, lines[one].clone()),
                    _ => lines.swap(one, other),
                }
                *text = lines.concat();
            }
            7 => {
                // Numbers are where limits are.
                if let Some(at) = text.iter().skip(from).position(u8::is_ascii_digit) {
                    let start = from + at;
                    let end = start + text[start..].iter().take_while(|b| b.is_ascii_digit()).count();
                    text.splice(start..end, NUMBERS[self.below(NUMBERS.len())].bytes());
                }
            }
            8 if to - from > 1 => {
                let piece = text[from..to].to_vec();
                let times = 2 + self.below(40);
                text.splice(from..to, piece.repeat(times));
            }
            _ => {
                let word = self.words[self.below(self.words.len())];
                let end = if self.below(2) == 0 { from } else { to };
                text.splice(from..end, word.bytes());
            }
        }
        text.truncate(self.longest);
    }

    fn seed(&mut self) -> &[u8] {
        let at = self.below(self.corpus.len());
        &self.corpus[at]
    }

    /// A stretch of a text, short ones more often.
    fn range(&mut self, length: usize) -> (usize, usize) {
        let from = self.below(length + 1);
        let most = [1, 4, 16, 64, length][self.below(5)];
        (from, (from + self.below(most + 1)).min(length))
    }

    /// A number below the limit, by Marsaglia's generator.
    fn below(&mut self, limit: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit.max(1)
    }
}

const ODD: &[u8] = b"\0\x01\t\n\r !\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~\x7f\x80\xc3\xa9\xfe\xff";

const NUMBERS: &[&str] = &[
    "",
    "0",
    "1",
    "-1",
    "00000000",
    "127",
    "128",
    "129",
    "255",
    "256",
    "1023",
    "1024",
    "1025",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e400",
    "0.0000001",
    "99999999999999999999999999999999999999",
];
