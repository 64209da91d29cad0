//! The checklists that Homeward comes with, until an organisation or a team sets its own. They ask for what home-visit policies and
//! guidance for safer working ask for: purpose agreed, risks known, measures in place, times kept, concerns passed on.

use super::{Item, When, Whose};

/// An item as it stands here: its key, whether it is required, what it asks.
type Line = (&'static str, Must, &'static str);

/// Whether it has to be answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Must {
    Be,
    May,
}

use Must::{Be, May};

const WORKER_BEFORE: &[Line] = &[
    ("purpose", Be, "The purpose of this visit is agreed and written down."),
    (
        "assessment",
        Be,
        "I have read the risk assessment of this person and place, and nothing has changed since.",
    ),
    ("household", Be, "I know who lives there, who else may be in, and what animals there are."),
    ("history", Be, "I know of any hostility, complaints or grievances against me or my colleagues."),
    ("measures", Be, "The agreed measures are in place for this visit: company, time of day, place."),
    ("alone", Be, "If little is known, or nothing, I am not going alone."),
    ("arrangements", Be, "The visit is inside my agreed work arrangements, and in the home that was agreed."),
    ("phone", Be, "My phone is charged and has signal; where it will have none I have said so."),
    ("contact", Be, "My manager and my emergency contact are reachable until I am out."),
    ("times", Be, "I have said in Homeward when I will be out, and I know my PIN."),
    ("car", May, "My car is parked so that I can drive away at once; its place and number are known."),
    ("identity", May, "I carry my identity card and nothing that I do not need."),
];

const WORKER_DURING: &[Line] = &[
    ("door", Be, "At the door I looked at who was there and how they were before I went in."),
    ("measures", Be, "The agreed measures are in place here and now."),
    ("way_out", Be, "I know the way out, and nobody and nothing stands in it."),
    ("leave", May, "I would leave as soon as I feel uneasy, and say so afterwards."),
    ("company", May, "I was not alone with a child behind a closed door, other than as agreed."),
    ("notes", May, "I have noted what I saw and who was there."),
];

const WORKER_AFTER: &[Line] = &[
    ("out", Be, "I have checked out, so that nobody looks for me."),
    ("record", Be, "Times of arrival and departure, who was seen and what was done are recorded."),
    ("followed", Be, "The agreed measures were followed; where not, I have said why."),
    ("concern", Be, "Whatever gave me cause for concern I have raised with my manager."),
    ("assessment", May, "What has changed is in the risk assessment: people, behaviour, the home."),
    ("incident", May, "Threats, violence and near misses are reported."),
];

const MANAGER_BEFORE: &[Line] = &[
    ("justified", Be, "The visit is justified: its purpose needs a visit at home, and that is written down."),
    ("assessment", Be, "There is a risk assessment of this person and place, and I have looked at it."),
    (
        "measures",
        Be,
        "The measures fit the risk and are in place; what remains is not too much for one person.",
    ),
    ("hours", Be, "Evening, weekend, remote or secluded: this was weighed for this visit."),
    ("concerns", Be, "Open concerns about this case were weighed."),
    ("policy", Be, "The worker knows the rules on home visits and on working alone."),
    ("cover", Be, "Somebody answers an alarm until the worker is out: I or whoever stands in for me."),
    ("contact", May, "The worker has a phone that works and an emergency contact who has agreed."),
];

const MANAGER_DURING: &[Line] = &[
    ("reachable", Be, "I am reachable, and so is whoever stands in for me."),
    ("facts", May, "I have at hand what the police would ask: place, people, car, description."),
];

const MANAGER_AFTER: &[Line] = &[
    ("out", Be, "The worker is out and, where that is watched, home."),
    ("record", Be, "The record is complete and says what the visit was for and what came of it."),
    ("measures", Be, "Where measures were not in place or not followed, I have dealt with that."),
    (
        "concerns",
        Be,
        "Each concern was discussed with the worker, and what is to be done has an owner and a day.",
    ),
    ("next", May, "The assessment holds for the next visit; where it does not, it is changed before that."),
    ("wellbeing", May, "I have asked how the worker is."),
];

/// What Homeward comes with.
pub fn provided(whose: Whose, when: When) -> Vec<Item> {
    let lines = match (whose, when) {
        (Whose::Worker, When::Before) => WORKER_BEFORE,
        (Whose::Worker, When::During) => WORKER_DURING,
        (Whose::Worker, When::After) => WORKER_AFTER,
        (Whose::Manager, When::Before) => MANAGER_BEFORE,
        (Whose::Manager, When::During) => MANAGER_DURING,
        (Whose::Manager, When::After) => MANAGER_AFTER,
    };
    let item = |(key, must, words): &Line| Item {
        key: (*key).into(),
        words: (*words).into(),
        required: *must == Be,
    };
    lines.iter().map(item).collect()
}
