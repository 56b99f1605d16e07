//! Secrets stored as digests: making them and checking them.

use std::num::NonZeroU32;

use ring::pbkdf2;

use crate::config::secret::{DIGEST_LENGTH, Pbkdf2};

/// The digest of a secret with that salt, which is to be random.
pub fn digest(secret: &[u8], salt: Vec<u8>) -> Pbkdf2 {
    let mut digest = vec![0; DIGEST_LENGTH];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, non_zero(ITERATIONS), &salt, secret, &mut digest);
    Pbkdf2 { iterations: ITERATIONS, salt, digest }
}

/// Whether the digest is of that secret. It takes as long whether it is or not.
#[inline(never)]
pub fn verify(digest: &Pbkdf2, given: &[u8]) -> bool {
    let Pbkdf2 { iterations, salt, digest } = digest;
    pbkdf2::verify(pbkdf2::PBKDF2_HMAC_SHA256, non_zero(*iterations), salt, given, digest).is_ok()
}

fn non_zero(iterations: u32) -> NonZeroU32 {
    NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN)
}

/// How often the digest is taken: about a twentieth of a second on a small box, for every login.
pub const ITERATIONS: u32 = 100_000;

/// How many random bytes a salt has.
pub const SALT_LENGTH: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// The third vector of RFC 7914, section 11, cut to one block.
    #[test]
    fn the_digest_is_that_of_the_standard() {
        let mut out = [0; 8];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, non_zero(1), b"salt", b"passwd", &mut out);
        assert_eq!(out, [0x55, 0xac, 0x04, 0x6e, 0x56, 0xe3, 0x08, 0x9f]);
    }

    #[test]
    fn only_the_secret_itself_is_let_in() {
        let mut stored = digest(b"swordfish", vec![1, 2, 3]);
        assert!(verify(&stored, b"swordfish"));
        assert!(!verify(&stored, b"swordfisH"));
        stored.salt[0] = 9;
        assert!(!verify(&stored, b"swordfish"));
    }
}
