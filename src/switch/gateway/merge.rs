use super::answer::Answer;
use crate::ami::Reply;
pub(crate) struct Part<'a> {
    pub(crate) server: &'a [u8],
    pub(crate) answer: Result<&'a Answer, &'a str>,
}
pub(crate) fn merge(parts: &[Part<'_>], reply: &mut Reply<'_>) {
    for p in parts {
        if let Ok(a) = p.answer {
            a.render(reply.buffer(), None, Some(p.server));
        }
    }
}
