//! Who may do what, and who may see what: one table for every door (row X1, and "The rule of what the subject may see").

use super::{
    agreement::{Approver, OwnVisits},
    checklist::Whose,
    people::Role,
};

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// See a visit and its log.
    SeeVisit,
    /// Start or plan a visit, arrive, check in, extend, check out, cancel, record how it turned out.
    DoVisit,
    /// See an incident and its log.
    SeeIncident,
    /// Take an alarm.
    Acknowledge,
    /// Write something down in it.
    Note,
    /// Need longer, or say that the police have it: whoever has it, or could take it.
    Hold,
    /// Take it from whoever has it.
    TakeOver,
    /// Give it to somebody else.
    HandOver,
    /// Answer a call without taking it: cannot, not safe, safe.
    Answer,
    /// Say how it ended.
    Close,
    /// Say what has to be done after it, and that it was done.
    FollowUp,
    /// Say what was learned.
    Review,
    /// Release a duress alarm to its subject.
    Release,
}

/// How they stand to the thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "six independent facts, all read together by the one table below"
)]
pub struct Relation {
    /// It is their own visit, or they are the subject of the incident.
    pub own: bool,
    /// Its team is theirs or below theirs.
    pub in_reach: bool,
    /// The ladder called them about it.
    pub called: bool,
    /// They own the incident, or closed it.
    pub owner: bool,
    /// The incident is open; for a visit, one about it is.
    pub open: bool,
    /// It is a duress alarm that nobody has released, and they are its subject or were on the visit with them (row V8).
    pub withheld: bool,
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// They may not know that it exists: answered like an id that does not exist.
    NotFound,
    /// It is about themselves.
    Subject,
    /// Their role is too small.
    Role,
    /// They raised it themselves: somebody else has to discuss it with them.
    Raiser,
}

/// Decides. The subject is the person, whichever of their roles asks, and never reads an open incident about themselves.
pub fn may(role: Role, act: Act, relation: Relation) -> Result<(), Denied> {
    let Relation { own, in_reach, called, owner, open, withheld } = relation;
    // The one rule of what stays hidden, whatever the role and whatever else they are to it.
    if withheld {
        return Err(Denied::NotFound);
    }
    let manages = role.manages() && in_reach;
    let sees_team = in_reach && matches!(role, Role::CaseAdministrator | Role::Manager | Role::SeniorManager);
    let sees = sees_team || role == Role::Auditor || owner || (called && open);
    match act {
        Act::SeeVisit | Act::SeeIncident | Act::Note if role == Role::Auditor && !own => {
            if act == Act::Note {
                Err(Denied::Role)
            } else {
                Ok(())
            }
        }
        Act::SeeVisit => allow(own || sees_team || (called && open), Denied::NotFound),
        Act::DoVisit => match (own, sees_team, role) {
            (true, ..) | (_, true, _) => Ok(()),
            (.., Role::Auditor) => Err(Denied::Role),
            _ => Err(if called && open { Denied::Role } else { Denied::NotFound }),
        },
        Act::SeeIncident => allow(if own { !open } else { sees }, Denied::NotFound),
        Act::Acknowledge
        | Act::Note
        | Act::Hold
        | Act::TakeOver
        | Act::HandOver
        | Act::Answer
        | Act::Close
        | Act::FollowUp
        | Act::Review
        | Act::Release
            if own =>
        {
            Err(Denied::Subject)
        }
        Act::Acknowledge | Act::Hold | Act::Answer => match role {
            _ if !sees => Err(Denied::NotFound),
            Role::Auditor => Err(Denied::Role),
            _ => allow(manages || called || owner, Denied::Role),
        },
        Act::HandOver | Act::FollowUp => match role {
            _ if !sees && !manages => Err(Denied::NotFound),
            Role::Auditor => Err(Denied::Role),
            _ => allow(manages || owner, Denied::Role),
        },
        Act::Note => allow(sees, Denied::NotFound),
        Act::Close if role == Role::CaseAdministrator || role == Role::Auditor => {
            Err(if sees { Denied::Role } else { Denied::NotFound })
        }
        Act::Close => allow(manages || owner, if sees { Denied::Role } else { Denied::NotFound }),
        Act::Review | Act::Release | Act::TakeOver => {
            allow(manages, if sees { Denied::Role } else { Denied::NotFound })
        }
    }
}

/// What somebody wants to do with how a team is looked after: ladders, coverage, drills. It is about no alarm of anybody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrange {
    /// See how it is.
    See,
    /// Change it.
    Change,
}

/// Decides it. Managers arrange what is in their reach; administrators everything; auditors see everything.
pub fn may_arrange(role: Role, what: Arrange, in_reach: bool) -> Result<(), Denied> {
    match (role, what) {
        (Role::Administrator, _) | (Role::Auditor, Arrange::See) => Ok(()),
        (Role::Manager | Role::SeniorManager, _) | (Role::CaseAdministrator, Arrange::See) => {
            allow(in_reach, Denied::Role)
        }
        _ => Err(Denied::Role),
    }
}

/// What somebody wants to do with cases, places and assessments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Casework {
    /// Read them.
    See,
    /// Write them down.
    Write,
    /// Agree with an assessment.
    Agree,
}

/// Decides it. Whoever visits, books or manages writes in their reach; managers agree; auditors read.
pub fn may_do_casework(role: Role, what: Casework, in_reach: bool) -> Result<(), Denied> {
    match (role, what) {
        (Role::Auditor, Casework::See) => Ok(()),
        (Role::Auditor | Role::Administrator, _) => Err(Denied::Role),
        (_, _) if !in_reach => Err(Denied::NotFound),
        (Role::Worker | Role::CaseAdministrator, Casework::Agree) => Err(Denied::Role),
        _ => Ok(()),
    }
}

/// Decides who agrees to a visit: a manager in reach, a senior one where only they can; one's own only where the organisation
/// allows it.
pub fn may_agree(
    role: Role,
    approver: Approver,
    relation: Relation,
    own_visits: OwnVisits,
) -> Result<(), Denied> {
    let can = match approver {
        Approver::Manager => role.manages(),
        Approver::SeniorManager => role == Role::SeniorManager,
    };
    if relation.own {
        let allowed = can && own_visits == OwnVisits::ByOneself;
        return allow(allowed, if can { Denied::Subject } else { Denied::Role });
    }
    match role {
        Role::Auditor => Err(Denied::Role),
        _ if !relation.in_reach => Err(Denied::NotFound),
        _ => allow(can, Denied::Role),
    }
}

/// What somebody wants to do about a concern (row A10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConcern {
    /// Read it, and what came of it.
    See,
    /// Say that they discussed it.
    Discuss,
    /// Say what is to be done, by whom.
    SetAction,
    /// Say that it is done.
    FinishAction,
    /// Say what came of it.
    Close,
}

/// How they stand to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ToConcern {
    /// They raised it.
    pub raised: bool,
    /// Its team is theirs or below theirs, or they were told of it when it was raised.
    pub in_reach: bool,
    /// Something about it is theirs to do.
    pub owner: bool,
}

/// Decides it. What is raised is for the managers of the team and those above them: a concern may be about anybody else there.
pub fn may_on_concern(role: Role, what: OnConcern, to: ToConcern) -> Result<(), Denied> {
    let ToConcern { raised, in_reach, owner } = to;
    let manages = role.manages() && in_reach;
    if !(manages || raised || owner || role == Role::Auditor) {
        return Err(Denied::NotFound);
    }
    match what {
        OnConcern::See => Ok(()),
        OnConcern::Discuss if manages && raised => Err(Denied::Raiser),
        OnConcern::Discuss | OnConcern::SetAction | OnConcern::Close => allow(manages, Denied::Role),
        OnConcern::FinishAction => allow(manages || owner, Denied::Role),
    }
}

/// Which checklist of a visit somebody answers (row A9): the worker theirs, a manager in reach the manager's.
pub fn checklist_of(role: Role, relation: Relation) -> Result<Whose, Denied> {
    if relation.own {
        return Ok(Whose::Worker);
    }
    may(role, Act::SeeVisit, relation)?;
    allow(role.manages() && relation.in_reach, Denied::Role).map(|()| Whose::Manager)
}

/// What somebody wants to do about who is due a visit (rows T1 to T4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDue {
    /// See what is due of a case, and why.
    See,
    /// Say what is known of its supervision.
    Change,
    /// Give it to a worker.
    Assign,
    /// Excuse a visit.
    Excuse,
}

/// Decides it; `own`: it is theirs. Workers say what is known of their own; whoever books or manages assigns in their reach; managers alone excuse; auditors read.
pub fn may_on_due(role: Role, what: OnDue, Relation { own, in_reach, .. }: Relation) -> Result<(), Denied> {
    match (role, what) {
        (Role::Auditor, OnDue::See) => Ok(()),
        (Role::Auditor | Role::Administrator, _) => Err(Denied::Role),
        _ if !own && !in_reach => Err(Denied::NotFound),
        (Role::Worker, OnDue::Change) => allow(own, Denied::Role),
        (_, OnDue::See | OnDue::Change) => Ok(()),
        (_, OnDue::Assign) => allow(in_reach && role != Role::Worker, Denied::Role),
        (_, OnDue::Excuse) => allow(in_reach && role.manages(), Denied::Role),
    }
}

/// What somebody wants to do with policy documents and with what workers take along (rows P1, P3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Add a policy document, or a version of one, for the whole organisation.
    AddDocument,
    /// See which people of a team have not acknowledged one.
    SeeWhoHasNot,
    /// See an item, and with whom it is.
    SeeItem,
    /// Say that it was tested.
    TestItem,
    /// Lend it, and take it back.
    LendItem,
    /// Add one; give a device an address of its own, or revoke that.
    SetItemUp,
}

/// Decides it; `own`: they hold the item. Whoever holds an item sees it and tests it; managers keep what is in their reach, case administrators lend it;
/// administrators keep everything; auditors see everything.
pub fn may_keep(role: Role, what: Keep, Relation { own, in_reach, .. }: Relation) -> Result<(), Denied> {
    let yes = match (role, what) {
        (Role::Administrator, _)
        | (Role::SeniorManager, Keep::AddDocument)
        | (Role::Auditor, Keep::SeeWhoHasNot | Keep::SeeItem) => true,
        (Role::Auditor, _) => false,
        (Role::Manager | Role::SeniorManager, Keep::SeeWhoHasNot | Keep::SetItemUp)
        | (Role::Manager | Role::SeniorManager | Role::CaseAdministrator, Keep::LendItem) => in_reach,
        (Role::Manager | Role::SeniorManager | Role::CaseAdministrator, Keep::SeeItem | Keep::TestItem) => {
            own || in_reach
        }
        (_, Keep::SeeItem | Keep::TestItem) => own,
        (_, Keep::AddDocument | Keep::SeeWhoHasNot | Keep::LendItem | Keep::SetItemUp) => false,
    };
    let of_an_item = !matches!(what, Keep::AddDocument | Keep::SeeWhoHasNot);
    // What other teams have nobody needs to know of, but for those who may know of everything.
    let hidden = of_an_item && !own && !in_reach && role != Role::Auditor;
    allow(yes, if hidden { Denied::NotFound } else { Denied::Role })
}

/// What somebody wants to do with what has to be filed elsewhere (row T6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFiling {
    /// List it.
    See,
    /// Say that it is filed, and as what.
    Say,
}

/// Decides it. Whoever books and completes files, and managers, in their reach; auditors list everything.
pub fn may_file(role: Role, what: OnFiling, in_reach: bool) -> Result<(), Denied> {
    match (role, what) {
        (Role::Auditor, OnFiling::See) => Ok(()),
        (Role::CaseAdministrator | Role::Manager | Role::SeniorManager, _) => {
            allow(in_reach, Denied::NotFound)
        }
        (Role::Worker | Role::Auditor | Role::Administrator, _) => Err(Denied::Role),
    }
}

fn allow(yes: bool, otherwise: Denied) -> Result<(), Denied> {
    if yes { Ok(()) } else { Err(otherwise) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: [Role; 6] = [
        Role::Worker,
        Role::CaseAdministrator,
        Role::Manager,
        Role::SeniorManager,
        Role::Auditor,
        Role::Administrator,
    ];

    /// One line a relation, one letter a role: y yes, n not found, s subject, r role too small, m raised by themselves.
    fn row_of(may: impl Fn(Role) -> Result<(), Denied>) -> String {
        ROLES
            .iter()
            .map(|role| match may(*role) {
                Ok(()) => 'y',
                Err(Denied::NotFound) => 'n',
                Err(Denied::Subject) => 's',
                Err(Denied::Role) => 'r',
                Err(Denied::Raiser) => 'm',
            })
            .collect()
    }

    fn row(act: Act, relation: Relation) -> String {
        row_of(|role| may(role, act, relation))
    }

    #[test]
    fn the_table_of_concerns() {
        let stranger = ToConcern::default();
        let team = ToConcern { in_reach: true, ..stranger };
        let raised = ToConcern { raised: true, ..stranger };
        let raised_in_team = ToConcern { raised: true, in_reach: true, owner: false };
        let owner = ToConcern { owner: true, ..stranger };
        //                    worker, case administrator, manager, senior manager, auditor, administrator
        let table = [
            (OnConcern::See, stranger, "nnnnyn"),
            (OnConcern::See, team, "nnyyyn"),
            (OnConcern::See, raised, "yyyyyy"),
            (OnConcern::See, owner, "yyyyyy"),
            (OnConcern::Discuss, stranger, "nnnnrn"),
            (OnConcern::Discuss, team, "nnyyrn"),
            (OnConcern::Discuss, raised, "rrrrrr"),
            (OnConcern::Discuss, raised_in_team, "rrmmrr"),
            (OnConcern::Discuss, owner, "rrrrrr"),
            (OnConcern::SetAction, team, "nnyyrn"),
            (OnConcern::SetAction, raised, "rrrrrr"),
            (OnConcern::SetAction, raised_in_team, "rryyrr"),
            (OnConcern::FinishAction, team, "nnyyrn"),
            (OnConcern::FinishAction, owner, "yyyyyy"),
            (OnConcern::FinishAction, raised, "rrrrrr"),
            (OnConcern::Close, team, "nnyyrn"),
            (OnConcern::Close, raised, "rrrrrr"),
            (OnConcern::Close, raised_in_team, "rryyrr"),
            (OnConcern::Close, owner, "rrrrrr"),
        ];
        for (what, to, expected) in table {
            assert_eq!(row_of(|role| may_on_concern(role, what, to)), expected, "{what:?} {to:?}");
        }
    }

    #[test]
    fn the_table_of_checklists() {
        let stranger = Relation::default();
        let own = Relation { own: true, ..stranger };
        let team = Relation { in_reach: true, ..stranger };
        let called = Relation { called: true, open: true, ..stranger };
        for (relation, expected) in
            [(stranger, "nnnnrn"), (own, "yyyyyy"), (team, "nryyrn"), (called, "rrrrrr")]
        {
            assert_eq!(row_of(|role| checklist_of(role, relation).map(drop)), expected, "{relation:?}");
        }
        assert_eq!(checklist_of(Role::Manager, own), Ok(Whose::Worker), "a manager who visits");
        assert_eq!(checklist_of(Role::Manager, team), Ok(Whose::Manager));
    }

    #[test]
    fn who_agrees() {
        let row =
            |approver, relation, own_visits| row_of(|role| may_agree(role, approver, relation, own_visits));
        let team = Relation { in_reach: true, ..Relation::default() };
        let own = Relation { own: true, ..team };
        let (else_, oneself) = (OwnVisits::BySomebodyElse, OwnVisits::ByOneself);
        assert_eq!(row(Approver::Manager, team, else_), "rryyrr");
        assert_eq!(row(Approver::SeniorManager, team, else_), "rrryrr");
        assert_eq!(row(Approver::Manager, Relation::default(), else_), "nnnnrn");
        assert_eq!(row(Approver::Manager, own, else_), "rrssrr");
        assert_eq!(row(Approver::Manager, own, oneself), "rryyrr");
        assert_eq!(row(Approver::SeniorManager, own, oneself), "rrryrr");
    }

    #[test]
    fn who_does_casework() {
        let row = |what, in_reach| row_of(|role| may_do_casework(role, what, in_reach));
        assert_eq!(row(Casework::See, true), "yyyyyr");
        assert_eq!(row(Casework::See, false), "nnnnyr");
        assert_eq!(row(Casework::Write, true), "yyyyrr");
        assert_eq!(row(Casework::Agree, true), "rryyrr");
    }

    #[test]
    fn who_files() {
        let row = |what, in_reach| row_of(|role| may_file(role, what, in_reach));
        assert_eq!(row(OnFiling::See, true), "ryyyyr");
        assert_eq!(row(OnFiling::See, false), "rnnnyr");
        assert_eq!(row(OnFiling::Say, true), "ryyyrr");
        assert_eq!(row(OnFiling::Say, false), "rnnnrr");
    }

    #[test]
    fn the_table() {
        let stranger = Relation { open: true, ..Relation::default() };
        let own = Relation { own: true, ..stranger };
        let own_closed = Relation { own: true, ..Relation::default() };
        let own_team = Relation { own: true, in_reach: true, ..stranger };
        let team = Relation { in_reach: true, ..stranger };
        let called = Relation { called: true, ..stranger };
        let owner = Relation { owner: true, ..called };
        //                    worker, case administrator, manager, senior manager, auditor, administrator
        let table = [
            (Act::SeeVisit, stranger, "nnnnyn"),
            (Act::SeeVisit, own, "yyyyyy"),
            (Act::SeeVisit, team, "nyyyyn"),
            (Act::SeeVisit, called, "yyyyyy"),
            (Act::DoVisit, stranger, "nnnnrn"),
            (Act::DoVisit, own, "yyyyyy"),
            (Act::DoVisit, team, "nyyyrn"),
            (Act::DoVisit, called, "rrrrrr"),
            (Act::SeeIncident, stranger, "nnnnyn"),
            (Act::SeeIncident, own, "nnnnnn"),
            (Act::SeeIncident, own_team, "nnnnnn"),
            (Act::SeeIncident, own_closed, "yyyyyy"),
            (Act::SeeIncident, team, "nyyyyn"),
            (Act::SeeIncident, called, "yyyyyy"),
            (Act::SeeIncident, Relation { open: false, ..called }, "nnnnyn"),
            (Act::SeeIncident, Relation { open: false, ..owner }, "yyyyyy"),
            (Act::Acknowledge, stranger, "nnnnrn"),
            (Act::Acknowledge, own_team, "ssssss"),
            (Act::Acknowledge, team, "nryyrn"),
            (Act::Acknowledge, called, "yyyyry"),
            (Act::Hold, team, "nryyrn"),
            (Act::Hold, called, "yyyyry"),
            (Act::Answer, called, "yyyyry"),
            (Act::Answer, stranger, "nnnnrn"),
            (Act::TakeOver, team, "nryyrn"),
            (Act::TakeOver, called, "rrrrrr"),
            (Act::TakeOver, own_team, "ssssss"),
            (Act::HandOver, team, "nryyrn"),
            (Act::HandOver, owner, "yyyyry"),
            (Act::FollowUp, owner, "yyyyry"),
            (Act::FollowUp, called, "rrrrrr"),
            (Act::Note, team, "nyyyrn"),
            (Act::Close, own_team, "ssssss"),
            (Act::Close, team, "nryyrn"),
            (Act::Close, called, "rrrrrr"),
            (Act::Close, owner, "yryyry"),
            (Act::Review, team, "nryyrn"),
            (Act::Review, owner, "rrrrrr"),
            (Act::Release, team, "nryyrn"),
            (Act::Release, own_team, "ssssss"),
        ];
        let acts = table.map(|(act, ..)| act);
        for relation in [own, own_closed, own_team, team, called, owner] {
            let withheld = Relation { withheld: true, ..relation };
            assert!(acts.iter().all(|act| row(*act, withheld) == "nnnnnn"), "{withheld:?}");
        }
        for (act, relation, expected) in table {
            assert_eq!(row(act, relation), expected, "{act:?} {relation:?}");
        }
    }

    #[test]
    fn the_table_of_who_is_due() {
        let row = |what, relation| row_of(|role| may_on_due(role, what, relation));
        let apart = Relation::default();
        let team = Relation { in_reach: true, ..apart };
        let own = Relation { own: true, ..apart };
        //                 worker, case administrator, manager, senior manager, auditor, administrator
        for (what, relation, expected) in [
            (OnDue::See, apart, "nnnnyr"),
            (OnDue::See, team, "yyyyyr"),
            (OnDue::See, own, "yyyyyr"),
            (OnDue::Change, apart, "nnnnrr"),
            (OnDue::Change, team, "ryyyrr"),
            (OnDue::Change, own, "yyyyrr"),
            (OnDue::Assign, team, "ryyyrr"),
            (OnDue::Assign, own, "rrrrrr"),
            (OnDue::Excuse, apart, "nnnnrr"),
            (OnDue::Excuse, team, "rryyrr"),
            (OnDue::Excuse, own, "rrrrrr"),
        ] {
            assert_eq!(row(what, relation), expected, "{what:?} {relation:?}");
        }
    }

    #[test]
    fn the_table_of_what_is_kept() {
        let row = |what, relation| row_of(|role| may_keep(role, what, relation));
        let apart = Relation::default();
        let team = Relation { in_reach: true, ..apart };
        let holder = Relation { own: true, ..apart };
        let both = Relation { own: true, ..team };
        //                 worker, case administrator, manager, senior manager, auditor, administrator
        for (what, relation, expected) in [
            (Keep::AddDocument, apart, "rrryry"),
            (Keep::AddDocument, team, "rrryry"),
            (Keep::SeeWhoHasNot, apart, "rrrryy"),
            (Keep::SeeWhoHasNot, team, "rryyyy"),
            (Keep::SeeItem, apart, "nnnnyy"),
            (Keep::SeeItem, team, "ryyyyy"),
            (Keep::SeeItem, holder, "yyyyyy"),
            (Keep::TestItem, apart, "nnnnry"),
            (Keep::TestItem, team, "ryyyry"),
            (Keep::TestItem, holder, "yyyyry"),
            (Keep::TestItem, both, "yyyyry"),
            (Keep::LendItem, both, "ryyyry"),
            (Keep::LendItem, apart, "nnnnry"),
            (Keep::LendItem, team, "ryyyry"),
            (Keep::LendItem, holder, "rrrrry"),
            (Keep::SetItemUp, apart, "nnnnry"),
            (Keep::SetItemUp, team, "rryyry"),
            (Keep::SetItemUp, holder, "rrrrry"),
        ] {
            assert_eq!(row(what, relation), expected, "{what:?} {relation:?}");
        }
    }
}
