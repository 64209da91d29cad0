//! Who may do what, and who may see what: one table for every door (row X1, and "The rule of what the subject may see").

use super::{
    agreement::{Approver, OwnVisits},
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

    /// One line a relation, one letter a role: y yes, n not found, s subject, r role too small.
    fn row(act: Act, relation: Relation) -> String {
        ROLES
            .iter()
            .map(|role| match may(*role, act, relation) {
                Ok(()) => 'y',
                Err(Denied::NotFound) => 'n',
                Err(Denied::Subject) => 's',
                Err(Denied::Role) => 'r',
            })
            .collect()
    }

    #[test]
    fn who_agrees() {
        let row = |approver, relation, own_visits| -> String {
            ROLES
                .iter()
                .map(|role| match may_agree(*role, approver, relation, own_visits) {
                    Ok(()) => 'y',
                    Err(Denied::NotFound) => 'n',
                    Err(Denied::Subject) => 's',
                    Err(Denied::Role) => 'r',
                })
                .collect()
        };
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
        let row = |what, in_reach| -> String {
            let may = |role: &Role| match may_do_casework(*role, what, in_reach) {
                Ok(()) => 'y',
                Err(Denied::NotFound) => 'n',
                Err(_) => 'r',
            };
            ROLES.iter().map(may).collect()
        };
        assert_eq!(row(Casework::See, true), "yyyyyr");
        assert_eq!(row(Casework::See, false), "nnnnyr");
        assert_eq!(row(Casework::Write, true), "yyyyrr");
        assert_eq!(row(Casework::Agree, true), "rryyrr");
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
}
