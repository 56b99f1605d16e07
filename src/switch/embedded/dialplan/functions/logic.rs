//! Functions that choose, and those that ask about variables and the dialplan.

use super::super::arguments::{cut, get, split};
use super::super::expression::is_true;
use super::super::substitute::BYTE;
use super::super::substitute::{Fault, Scope, assign, substitute};
use super::super::time::Times;
use super::Plain;
use crate::date::Date;
use crate::switch::embedded::numbers::whole;

pub(super) const FUNCTIONS: &[Plain] = &[
    Plain::new("IF", "(CONDITION?[YES][:NO])", "One of two texts, as a condition says.", |_, arguments| {
        choose(arguments, |condition| Ok(is_true(condition)))
    }),
    Plain::new("IFTIME", "(TIMES?[YES][:NO])", "One of two texts, as the time is.", |scope, arguments| {
        let now = Date::from_micros(scope.surroundings().now);
        choose(arguments, |times| Ok(Times::parse(times).map_err(|_| Fault::Arguments)?.include(&now)))
    }),
    Plain::new("ISNULL", "(TEXT)", "1 if a text is empty, else 0.", |_, text| Ok(truth(text.is_empty()))),
    Plain::new("EXISTS", "(TEXT)", "1 if a text is not empty, else 0.", |_, text| {
        Ok(truth(!text.is_empty()))
    }),
    Plain::new("SET", "(VARIABLE=VALUE)", "Sets a variable, and is its value.", |scope, arguments| {
        let (name, value) = cut(arguments, b'=');
        let value = value.ok_or(Fault::Arguments)?.trim_ascii();
        assign(name.trim_ascii(), value, scope)?;
        Ok(value.to_vec())
    }),
    Plain::new("EVAL", "(TEXT)", "What a text is when its variables are put in once more.", |scope, text| {
        Ok(substitute(text, scope).into_owned())
    }),
    Plain::new("GLOBAL", "(VARIABLE)", "A global variable.", |scope, name| {
        Ok(scope.surroundings().dialplan.globals.get(name).map(<[u8]>::to_vec).unwrap_or_default())
    })
    .writes(|scope, name, value| scope.set_global(name, value)),
    Plain::new(
        "ENV",
        "(NAME)",
        "Always empty: the server's environment is not shown.",
        |_, _| Ok(Vec::new()),
    )
    // As in Asterisk it can be set; nobody reads it. (core/setvar-dangerous.)
    .writes(|_, _, _| Ok(())),
    Plain::new("VERSION", "([ASTERISK_VERSION_NUM])", "The version of Asterisk that is spoken.", version),
    Plain::new(
        "DIALPLAN_EXISTS",
        "(CONTEXT[,EXTEN[,PRIORITY]])",
        "1 if there is such a step, else 0.",
        dialplan_exists,
    ),
    Plain::new(
        "VALID_EXTEN",
        "([CONTEXT],EXTEN[,PRIORITY])",
        "1 if there is such a step, else 0.",
        dialplan_exists,
    ),
    Plain::new("HINT", "(EXTEN@CONTEXT)", "Which devices an extension stands for.", |scope, arguments| {
        let arguments = split(arguments, 2);
        let name = get(&arguments, 0);
        let at = name.iter().position(|&b| b == b'@').ok_or(Fault::Arguments)?;
        let surroundings = scope.surroundings();
        let now = Date::from_micros(surroundings.now);
        let hint = surroundings.dialplan.hint(&name[at + 1..], &name[..at], &now);
        let devices = hint.and_then(|hint| hint.text.split(|&b| b == b',').next());
        Ok(devices.map(<[u8]>::to_vec).unwrap_or_default())
    }),
];

fn truth(is: bool) -> Vec<u8> {
    vec![if is { b'1' } else { b'0' }]
}

/// `CONDITION?YES:NO`; either may be left out.
fn choose(arguments: &[u8], decide: impl FnOnce(&[u8]) -> Result<bool, Fault>) -> Result<Vec<u8>, Fault> {
    let (condition, Some(texts)) = cut(arguments, b'?') else { return Err(Fault::Arguments) };
    let (yes, no) = cut(texts, b':');
    let chosen = if decide(condition.trim_ascii())? { yes } else { no.unwrap_or_default() };
    let chosen = split(chosen.trim_ascii(), 1).remove(0);
    Ok(chosen.into_owned())
}

fn version(scope: &mut dyn Scope, what: &[u8]) -> Result<Vec<u8>, Fault> {
    let version = scope.surroundings().version;
    Ok(match what {
        b"" => version.as_bytes().to_vec(),
        b"ASTERISK_VERSION_NUM" => {
            let mut numbers =
                version.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
            let mut next = || numbers.next().unwrap_or(0_u32);
            format!("{}{:02}{:02}", next(), next(), next()).into_bytes()
        }
        _ => Vec::new(),
    })
}

/// (core/getvar-functions-globals.)
fn dialplan_exists(scope: &mut dyn Scope, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    let arguments = split(arguments, 3);
    let own = match get(&arguments, 0) {
        b"" => scope.variable(b"CONTEXT").map(Into::into).unwrap_or_default(),
        context => context.to_vec(),
    };
    let steps = scope.surroundings().dialplan.steps as u64;
    scope.depth().spend(steps * BYTE)?;
    let surroundings = scope.surroundings();
    let (dialplan, now) = (surroundings.dialplan, Date::from_micros(surroundings.now));
    let priority = match get(&arguments, 2) {
        b"" => Some(1),
        text => whole(text),
    };
    Ok(truth(match (get(&arguments, 1), priority) {
        (b"", _) => dialplan.context_exists(&own),
        (exten, Some(priority)) => dialplan.exists(&own, exten, priority, b"", &now),
        (exten, None) => dialplan.find_label(&own, exten, get(&arguments, 2), b"", &now).is_some(),
    }))
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{Table, dialplan};
    use super::super::super::{assign, look_up};
    use super::super::tests::check;

    #[test]
    fn choices() {
        check(
            &[("EMPTY", ""), ("X", "1")],
            &[
                ("IF(1?yes:no)", "yes"),
                ("IF(0?yes:no)", "no"),
                ("IF(?yes:no)", "no"),
                ("IF(1?yes)", "yes"),
                ("IF(0?yes)", ""),
                ("IF(0?:no)", "no"),
                ("IF(x? \"a:b\" : c )", "a:b"),
                ("IF(1)", ""),
                // The tables' scope lives on Monday, 23 November 2026, 04:18 UTC.
                ("IFTIME(*,mon,*,*?yes:no)", "yes"),
                ("IFTIME(9:00-17:00,mon-fri,*,*?yes:no)", "no"),
                ("IFTIME(9-17?yes:no)", ""),
                ("ISNULL()", "1"),
                ("ISNULL(x)", "0"),
                ("EXISTS(x)", "1"),
                ("EXISTS()", "0"),
                ("SET(X=2)", "2"),
                ("X", "2"),
                ("SET(X)", ""),
                ("EVAL(${X})", "2"),
                ("VERSION()", "22.10.1"),
                ("VERSION(ASTERISK_VERSION_NUM)", "221001"),
                ("VERSION(BUILD_USER)", ""),
                ("ENV(PATH)", ""),
            ],
        );
    }

    #[test]
    fn global_variables() {
        let mut table = Table::new(&[("X", "own")]);
        assign(b"GLOBAL(X)", b"all", &mut table).unwrap();
        assert_eq!(look_up(b"GLOBAL(X)", &mut table), b"all");
        assert_eq!(look_up(b"X", &mut table), b"own");
        assert_eq!(look_up(b"GLOBAL(NOWHERE)", &mut table), b"");
    }

    #[test]
    fn the_dialplan_is_asked() {
        let mut table = Table::new(&[("CONTEXT", "a")]);
        table.dialplan = dialplan(
            "[a]\nexten => 100,1,NoOp\n same => n(here),NoOp\nexten => 100,hint,Custom:x,CustomPresence:y\n",
        );
        let mut check = |function: &str, expect: &str| {
            assert_eq!(
                String::from_utf8_lossy(&look_up(function.as_bytes(), &mut table)),
                expect,
                "{function}"
            );
        };
        check("DIALPLAN_EXISTS(a)", "1");
        check("DIALPLAN_EXISTS(b)", "0");
        check("DIALPLAN_EXISTS(a,100)", "1");
        check("DIALPLAN_EXISTS(a,100,2)", "1");
        check("DIALPLAN_EXISTS(a,100,3)", "0");
        check("DIALPLAN_EXISTS(a,100,here)", "1");
        check("DIALPLAN_EXISTS(a,999,1)", "0");
        check("VALID_EXTEN(,100)", "1");
        check("HINT(100@a)", "Custom:x");
        check("HINT(101@a)", "");
        check("HINT(100)", "");
    }
}
