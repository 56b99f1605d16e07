pub(crate) fn is_readonly(_: &[u8]) -> bool {
    false
}
