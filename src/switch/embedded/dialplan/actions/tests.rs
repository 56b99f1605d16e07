//! What setting variables says, and what describes the actions. Their answers are in the transcripts `core/`.

use super::super::super::testing::Stage;
use super::*;

#[test]
fn what_is_set_is_told() {
    let mut stage = Stage::folder("calls-basic");
    for (name, value) in [("GREETING", "good day"), ("GLOBAL(COLOUR)", "red"), ("NOFUNC(x)", "1")] {
        stage.ask(&format!("Action: Setvar\nVariable: {name}\nValue: {value}\n"));
    }
    let told = |name: &str, value: &str| {
        format!(
            "Event: VarSet\nPrivilege: dialplan,all\nChannel: none\nUniqueid: none\n\
             Variable: {name}\nValue: {value}\n\n"
        )
    };
    assert_eq!(stage.told(), [told("GREETING", "good day"), told("COLOUR", "red")]);
}

#[test]
fn every_action_is_described() {
    for spec in ACTIONS {
        assert!(!spec.synopsis.is_empty() && !spec.description.is_empty(), "{}", spec.name);
    }
}
