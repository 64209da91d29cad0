//! The caseload of the demonstration, as a list of acts: what the people of the organisation have done in the last hundred days,
//! told anew from the day on which it is started. Each act is done by whoever would do it and at its hour, through the same use
//! cases as everybody's; what was to be sent then is sent then. Nothing is written past them.

mod visits;

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use chrono::{NaiveDate, NaiveTime, TimeDelta};

use super::{Demo, acts};
use crate::{
    app::{
        Outcome,
        access::Actor,
        case_files, chases,
        due::{self, Excused, StartIs},
        equipment::{self, NewEquipment},
    },
    clock::{ManualClock, Time},
    domain::{
        assessment::{About, Covers, Draft, Factor, Hours, Information},
        case_file::{CasePrivate, PlacePrivate, WhoseHome},
        due::{Counted, Length, Unit},
        equipment::{EquipmentKind, Registration},
        local_time,
        people::Directory,
        visit::{VisitOutcome, Visiting},
    },
    providers::Providers,
    startup::App,
    store::{Trace, Tx, people},
};

/// Of whom a visit is waiting to be agreed, since the review of the assessment is past; overdue one, too.
const CANAL_SIDE: Case = Case::of("X118290", "Dawn Pike", "8 Canal Side", "Lives alone");
/// Of whom everything is in order.
const STATION_ROAD: Case = Case::of("X204417", "Marcus Reed", "27 Station Road", "His mother");
/// At whose door Raj stands without an agreement.
const DOCK_STREET: Case = Case::of("X176642", "Gary Stone", "15 Dock Street", "A brother, at times");
/// Whom nobody may visit alone.
const HILL_VIEW: Case = Case::of("X209958", "Paul Nash", "61 Hill View", "Lives alone");
/// Whom nobody has assessed, nor said how high the risk is.
const ROWAN_COURT: Case = Case::of("X231105", "Lee Tran", "3 Rowan Court", "Not known");
/// In hospital.
const ELM_WAY: Case = Case::of("X187301", "Tom Birch", "40 Elm Way", "A partner");
/// In time for weeks.
const MILL_LANE: Case = Case::of("X150774", "Joy Carter", "4 Mill Lane", "Two children");
/// A family whose child stays with an aunt of Raj's: no place for a visit, but once.
const CHURCH_ROW: Case = Case {
    visiting: Visiting::ChildOrFamily,
    whose_home: WhoseHome::ARelatives,
    ..Case::of("C310056", "The Moore family", "9 Church Row", "An aunt of the worker; the child since Monday")
};

/// So much is asked for in one go.
const AT_ONCE: i64 = 50;

/// Somebody who is visited, and where.
#[derive(Debug, Clone, Copy)]
struct Case {
    reference: &'static str,
    name: &'static str,
    address: &'static str,
    household: &'static str,
    visiting: Visiting,
    whose_home: WhoseHome,
}

impl Case {
    const fn of(
        reference: &'static str,
        name: &'static str,
        address: &'static str,
        household: &'static str,
    ) -> Self {
        let (visiting, whose_home) = (Visiting::Supervised, WhoseHome::Theirs);
        Self { reference, name, address, household, visiting, whose_home }
    }
}

/// All that they did, the oldest first.
pub(super) async fn play(demo: &Demo) -> anyhow::Result<()> {
    let story = Story::of(demo).await?;

    let then = story.ago(100, 9);
    story.opens(then, "visits", CANAL_SIDE).await?;
    let dog = (About::Animals, "A large dog", "Rings first: it is shut away", (2, 3));
    story.assesses(then, "eve", CANAL_SIDE, dog, story.day_in(-9)).await?;

    let then = story.ago(60, 9);
    story.opens(then, "visits", STATION_ROAD).await?;
    let plan = Said {
        risk: Some("high"),
        plan: Some(Length { count: 4, unit: Unit::Weeks }),
        ..Said::since(story.day_in(-60))
    };
    story.supervises(then, STATION_ROAD, "eve", plan).await?;
    let stairs =
        (About::Access, "Dark stairs, no other way out", "Takes a torch; sits near the door", (2, 2));
    story.assesses(then, "eve", STATION_ROAD, stairs, story.day_in(150)).await?;
    story.makes(story.ago(55, 14), "eve", STATION_ROAD, VisitOutcome::Seen).await?;

    // Six weeks for a first visit, and twice nobody was in.
    let then = story.ago(49, 9);
    let medium = Said { risk: Some("medium"), ..Said::since(story.day_in(-49)) };
    story.supervises(then, CANAL_SIDE, "eve", medium).await?;
    story.makes(story.ago(30, 11), "eve", CANAL_SIDE, VisitOutcome::NotIn).await?;

    let then = story.ago(20, 9);
    story.opens(then, "north", ELM_WAY).await?;
    let high = Said { risk: Some("high"), ..Said::since(story.day_in(-20)) };
    story.supervises(then, ELM_WAY, "ann", high).await?;
    story.opens(then, "north", MILL_LANE).await?;
    let low = Said { risk: Some("low"), ..Said::since(story.day_in(-20)) };
    story.supervises(then, MILL_LANE, "ben", low).await?;
    story.makes(story.ago(18, 10), "eve", CANAL_SIDE, VisitOutcome::NotIn).await?;

    let then = story.ago(15, 9);
    story.opens(then, "visits", DOCK_STREET).await?;
    let high = Said { risk: Some("high"), ..Said::since(story.day_in(-15)) };
    story.supervises(then, DOCK_STREET, "raj", high).await?;
    let anger = (About::Hostility, "Threatened a neighbour", "Phone in hand; leaves at once", (3, 4));
    story.assesses(then, "raj", DOCK_STREET, anger, story.day_in(60)).await?;
    story.equips(then).await?;

    let then = story.ago(10, 9);
    story.opens(then, "visits", ROWAN_COURT).await?;
    story.supervises(then, ROWAN_COURT, "eve", Said::since(story.day_in(-10))).await?;
    story.opens(then, "visits", CHURCH_ROW).await?;
    let home =
        (About::Household, "The home of a relative of whoever visits", "A colleague waits outside", (1, 3));
    story.assesses(then, "raj", CHURCH_ROW, home, story.day_in(80)).await?;
    story.makes(story.ago(6, 14), "eve", STATION_ROAD, VisitOutcome::Seen).await?;

    story.goes_outside_agreed_arrangements().await?;
    story.goes_in_an_emergency().await?;

    let then = story.ago(1, 9);
    story.asks_for_what_is_missing(then).await?;
    let excused = Excused {
        rule: "first_high".into(),
        concern: None,
        instead: Some(story.day_in(7)),
        counted: Counted::LeftOut,
        reason: "In hospital; the ward says for another week".into(),
    };
    story
        .act(then, "sam", async move |tx, sam, trace| {
            due::excuse(tx, sam, ELM_WAY.reference, excused.clone(), trace).await
        })
        .await?;
    story.opens(then, "visits", HILL_VIEW).await?;
    let very_high = Said { risk: Some("very_high"), ..Said::since(story.day_in(-3)) };
    story.supervises(then, HILL_VIEW, "raj", very_high).await?;
    let knife =
        (About::Person, "Said that he keeps a knife by the door", "Seen in a room with an alarm", (4, 5));
    story.assesses(then, "raj", HILL_VIEW, knife, story.day_in(30)).await?;
    story.is_refused().await?;
    story.today().await
}

/// When everybody does what.
struct Story<'d> {
    demo: &'d Demo,
    /// The service as it was: by its clock, and by gateways that worked.
    past: (App, ManualClock),
    directory: Arc<Directory>,
    now: Time,
    today: NaiveDate,
}

/// What is known of a supervision.
#[derive(Debug, Clone, Copy)]
struct Said {
    start: NaiveDate,
    risk: Option<&'static str>,
    plan: Option<Length>,
}

impl Said {
    fn since(start: NaiveDate) -> Self {
        Self { start, risk: None, plan: None }
    }
}

impl<'d> Story<'d> {
    async fn of(demo: &'d Demo) -> anyhow::Result<Self> {
        let site = &demo.app.site;
        let directory = people::directory(&mut site.db.read().await?, demo.stage.organisation).await?;
        let now = site.clock.now();
        let today = now.with_timezone(&directory.zone).date_naive();
        let clock = ManualClock::new(now);
        let named = |name: &str| (name.to_owned(), Arc::default());
        let providers = Providers::capturing([named("first-gateway")], [named("captured-email")]);
        let (db, key) = (site.db.clone(), site.key.clone());
        let app = App::build(&demo.config, db, Arc::new(clock.clone()), key, providers).await?;
        Ok(Self { demo, past: (app, clock), directory, now, today })
    }

    /// A day before or after the one on which the demonstration is started.
    fn day_in(&self, days: i64) -> NaiveDate {
        self.today + TimeDelta::days(days)
    }

    /// So many days ago, at an hour.
    fn ago(&self, days: i64, hour: u32) -> Time {
        self.on(self.day_in(-days), hour)
    }

    fn on(&self, day: NaiveDate, hour: u32) -> Time {
        let hour = NaiveTime::from_hms_opt(hour, 0, 0).unwrap_or_default();
        local_time::at(day, hour, self.directory.zone)
    }

    /// Somebody does something then; what is to be sent of it is sent.
    async fn act<T: Send + 'static>(
        &self,
        then: Time,
        who: &str,
        case: impl AsyncFn(&mut Tx, &Actor, Trace) -> Outcome<T> + Send + Sync + 'static,
    ) -> anyhow::Result<T> {
        let actor = acts::actor(&self.directory, who).with_context(|| format!("there is no {who}"))?;
        let trace = acts::trace(actor.person, then);
        let done = self.demo.app.site.db.write(async move |tx| case(tx, &actor, trace).await).await?;
        if then < self.now {
            self.sends(then).await?;
        }
        done.map_err(|rejected| anyhow!("the caseload could not be told, at {who}: {rejected}"))
    }

    /// What is to be sent then goes by the gateways of then; what is to be sent today waits for those of today.
    async fn sends(&self, then: Time) -> anyhow::Result<()> {
        let (app, clock) = &self.past;
        clock.set(then);
        app.outbox.deliver_due(then).await?;
        Ok(())
    }

    /// As each morning.
    async fn asks_for_what_is_missing(&self, then: Time) -> anyhow::Result<()> {
        let site = &self.demo.app.site;
        let house = Arc::clone(&site.house);
        let ask = async move |tx: &mut _| chases::ask_for_what_is_missing(tx, &house, AT_ONCE, then).await;
        site.db.write(ask).await?;
        self.sends(then).await
    }

    async fn opens(&self, then: Time, team: &'static str, of: Case) -> anyhow::Result<()> {
        self.act(then, "cas", async move |tx, cas, trace| {
            let private = CasePrivate { name: Some(of.name.into()), notes: None };
            let (reference, visiting) = (of.reference.into(), Some(of.visiting));
            let wanted = case_files::WantedCase { reference, team: Some(team.into()), visiting, private };
            if let Err(rejected) = case_files::save(tx, cas, wanted, trace).await? {
                return Ok(Err(rejected));
            }
            let (address, household) = (Some(of.address.into()), Some(of.household.into()));
            let private = PlacePrivate { address, household, access: None };
            case_files::save_place(tx, cas, (of.reference, None), (of.whose_home, private), trace).await
        })
        .await
        .map(drop)
    }

    /// A worker writes down what is known and what is done about it; the manager agrees.
    async fn assesses(
        &self,
        then: Time,
        who: &str,
        of: Case,
        (about, words, measure, (likelihood, severity)): (About, &str, &str, (usize, usize)),
        review_on: NaiveDate,
    ) -> anyhow::Result<()> {
        let factor =
            Factor { about, words: words.into(), measures: vec![measure.into()], likelihood, severity };
        let covers = Covers { hours: Hours::Any, ..Covers::default() };
        let draft = Draft { factors: vec![factor], information: Information::Enough, covers, review_on };
        let made = self
            .act(then, who, async move |tx, actor, trace| {
                let (_, places) = match case_files::find(tx, actor, of.reference).await? {
                    Ok(found) => found,
                    Err(rejected) => return Ok(Err(rejected)),
                };
                let Some(place) = places.first() else { return Ok(Err(crate::app::Rejected::NotFound)) };
                case_files::assess(tx, actor, place.id, draft.clone(), trace).await
            })
            .await?;
        let id = made.assessment.id;
        let later = then + TimeDelta::hours(1);
        self.act(later, "sam", async move |tx, sam, trace| case_files::agree(tx, sam, id, trace).await)
            .await
            .map(drop)
    }

    /// What is known of the supervision, and whose case it is.
    async fn supervises(
        &self,
        then: Time,
        of: Case,
        worker: &'static str,
        Said { start, risk, plan }: Said,
    ) -> anyhow::Result<()> {
        self.act(then, "cas", async move |tx, cas, trace| {
            let said = due::Said {
                start: Some(start),
                start_is: StartIs::Corrected,
                risk: risk.map(Into::into),
                risk_identified: None,
                flags: Vec::new(),
                plan: plan.map(Some),
                pauses: Vec::new(),
                end: None,
            };
            due::set_supervision(tx, cas, of.reference, said, trace).await
        })
        .await?;
        self.act(then, "sam", async move |tx, sam, trace| {
            due::assign(tx, sam, (of.reference, Some(worker)), trace).await
        })
        .await
        .map(drop)
    }

    /// What Raj has with him, as whoever is called about him reads it.
    async fn equips(&self, then: Time) -> anyhow::Result<()> {
        let registration = Registration::parse("WS26 HMW").ok();
        self.act(then, "sam", async move |tx, sam, trace| {
            let car = NewEquipment {
                team: Some("visits".into()),
                key: "pool-3".into(),
                label: "Grey pool car".into(),
                kind: EquipmentKind::PoolCar,
                registration: registration.clone(),
                number: None,
                tested_on: None,
            };
            match equipment::add(tx, sam, car, trace).await? {
                Ok(_) => equipment::lend(tx, sam, "pool-3", ("raj", None), trace).await,
                rejected => Ok(rejected),
            }
        })
        .await
        .map(drop)
    }
}
