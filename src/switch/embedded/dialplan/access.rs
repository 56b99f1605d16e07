//! Names that a user without the class system may not even ask for: functions that, elsewhere, run something.

/// Whether a text names a function that takes the class system: in a variable's name, or anywhere in what will be substituted.
/// (core/getvar-dangerous-limited, permission/getvar-functions.)
pub(crate) fn needs_system(text: &[u8]) -> bool {
    let names = |name: &&[u8]| text.windows(name.len()).any(|window| window.eq_ignore_ascii_case(name));
    RUNNING.iter().any(names)
}

const RUNNING: &[&[u8]] = &[b"SHELL", b"EVAL("];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_functions_take_the_class_system() {
        let check = |text: &str, expect| assert_eq!(needs_system(text.as_bytes()), expect, "{text}");
        check("SHELL(echo hi)", true);
        check("x${shell(true)}y", true);
        check("EVAL(x)", true);
        check("DB(a/b)", false);
        check("FILE(x)", false);
        check("EVALUATION", false);
        check("COLOUR", false);
    }
}
