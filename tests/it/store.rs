//! The contract of the store: the same on both databases.

use std::{
    collections::BTreeMap, sync::Arc, sync::atomic::AtomicBool, sync::atomic::Ordering, time::Duration,
};

use chrono::TimeDelta;
use homeward::{
    app::organisation::{self, Defaults, Wanted},
    clock::Time,
    domain::{
        contact::Channel,
        event::{Door, EventKind, NewEvent},
        ids::{OrganisationId, VisitId},
        ladder::Ladder,
        notice::{Occasion, Purpose},
        policy::Policy,
        start::{Departure, Start, Whose},
        visit::{Details, Visit},
        wording::Text,
    },
    store::{
        Db, Error, Pools, Result, Trace, Tx,
        events::{self, ChainOf, Cursor},
        messages::{self, MessageState, NewMessage},
        outbox::{self, Claimed},
        people, visits,
    },
};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Executor, SqlSafeStr, Statement};

use crate::support::{
    Engine, TestDb,
    app::{Said, TestApp, WESTSHIRE, noon},
    on_both,
};

fn trace(now: Time) -> Trace {
    Trace::machine(Door::CommandLine, now)
}

async fn westshire(db: &Db) -> OrganisationId {
    crate::support::app::apply(db, WESTSHIRE, Policy::default(), noon()).await.0
}

/// A begun visit of Ann's, kept.
async fn a_visit(db: &Db, organisation: OrganisationId) -> Visit {
    db.write(async move |tx| {
        let directory = people::directory(tx, organisation).await?;
        let ann = directory.people.values().find(|person| person.key == "ann").unwrap();
        let whose = Whose { organisation, team: ann.team, worker: ann.id, by: ann.id };
        let details = Details { place: Some("12 High St".into()), ..Details::default() };
        let start = Start {
            details,
            expected_arrival: None,
            departure: Departure::Missing,
            made_at: None,
            plan: homeward::domain::command::Plan::AsDescribed,
        };
        let (decision, _) = start.begin(VisitId::new(noon()), whose, noon(), &Policy::default());
        let mut visit = decision.visit;
        visits::insert(tx, &mut visit, decision.events, trace(noon())).await?;
        visits::set_due(tx, visit.id, Some(noon())).await?;
        Ok(visit)
    })
    .await
    .unwrap()
}

/// Below the store, as nothing of the service can.
pub async fn execute(db: &Db, text: &str) -> std::result::Result<u64, sqlx::Error> {
    let text = AssertSqlSafe(text.to_owned());
    match db.pools() {
        Pools::Sqlite(pool) => {
            // The pool reads only, and sets what we mean to do without.
            let options = pool
                .connect_options()
                .as_ref()
                .clone()
                .pragma("query_only", "OFF")
                .pragma("recursive_triggers", "OFF");
            let mut conn = sqlx::ConnectOptions::connect(&options).await?;
            Ok(sqlx::query(text).execute(&mut conn).await?.rows_affected())
        }
        Pools::Postgres(pool) => Ok(sqlx::query(text).execute(pool).await?.rows_affected()),
    }
}

on_both! {
    async fn what_a_person_was_refused_is_kept_and_what_failed_is_not(db: TestDb) {
        let db = db.open().await;
        let organisation = westshire(&db).await;
        let visit = a_visit(&db, organisation).await;
        let refused: std::result::Result<(), &str> = db
            .write(async move |tx| {
                visits::set_due(tx, visit.id, Some(noon() + TimeDelta::hours(1))).await?;
                Ok(Err("not you"))
            })
            .await
            .unwrap();
        assert_eq!(refused, Err("not you"));
        let due = async || visits::next_due_any_org(&mut db.read().await.unwrap()).await.unwrap();
        assert_eq!(due().await, Some(noon() + TimeDelta::hours(1)));
        let failed: Result<()> = db
            .write(async move |tx| {
                visits::set_due(tx, visit.id, Some(noon() + TimeDelta::hours(2))).await?;
                Err(Error::Unavailable("no".into()))
            })
            .await;
        assert!(failed.is_err());
        assert_eq!(due().await, Some(noon() + TimeDelta::hours(1)));
    }

    async fn a_use_case_that_panics_takes_nothing_with_it(db: TestDb) {
        let db = db.open().await;
        let organisation = westshire(&db).await;
        let id = a_visit(&db, organisation).await.id;
        let set = async |minutes: i64| {
            db.write(async move |tx| {
                visits::set_due(tx, id, Some(noon() + TimeDelta::minutes(minutes))).await?;
                assert!(minutes != 2, "a fault in a use case");
                Ok(())
            })
            .await
        };
        // At once, so that SQLite takes them into one commit.
        let done = futures::future::join_all([set(1), set(2), set(3)]).await;
        assert_eq!(done, [Ok(()), Err(Error::Panicked), Ok(())]);
        assert_eq!(set(4).await, Ok(()), "and the store goes on");
    }

    async fn a_part_that_fails_undoes_that_part_alone(db: TestDb) {
        let db = db.open().await;
        let organisation = westshire(&db).await;
        let mut visit = a_visit(&db, organisation).await;
        let id = visit.id;
        db.write(async move |tx| {
            let mut visit = visits::load(tx, organisation, id).await?.unwrap().0;
            let event = |note| NewEvent::new(EventKind::VisitCheckedIn, noon(), json!({ "note": note }));
            visits::log(tx, &mut visit, event("kept"), trace(noon())).await?;
            for fault in ["an error", "a panic"] {
                let failed: Result<()> = tx
                    .part(async |tx| {
                        let mut visit = visit.clone();
                        visits::log(tx, &mut visit, event("undone"), trace(noon())).await?;
                        assert!(fault != "a panic");
                        Err(Error::inconsistent("visit", "state", "x"))
                    })
                    .await;
                assert!(failed.is_err());
            }
            visits::log(tx, &mut visit, event("kept too"), trace(noon())).await
        })
        .await
        .unwrap();
        let log = events::list_chain(&mut db.read().await.unwrap(), organisation, ChainOf::Visit(id), 0, 100).await.unwrap();
        let bodies: Vec<_> = log.iter().skip(1).map(|kept| kept.event.body.as_str()).collect();
        assert_eq!(bodies, [r#"{"note":"kept"}"#, r#"{"note":"kept too"}"#]);
        // A stale version is noticed.
        visit.version -= 1;
        let stale = db.write(async move |tx| visits::update(tx, &mut visit.clone(), vec![], trace(noon())).await).await;
        assert_eq!(stale, Err(Error::Conflict));
    }

    async fn the_event_log_takes_inserts_only_whoever_asks(db: TestDb) {
        let (engine, db) = (db.engine, db.open().await);
        let organisation = westshire(&db).await;
        let visit = a_visit(&db, organisation).await;
        let mut tries = vec![
            "UPDATE event SET body = '{}'",
            "DELETE FROM event",
            "UPDATE event SET hash = hash WHERE number = 1",
        ];
        match engine {
            Engine::Sqlite => tries.extend([
                "INSERT OR REPLACE INTO event SELECT * FROM event",
                "REPLACE INTO event (organisation_id, chain, chain_kind, number, kind, happened_at, learned_at, door, body, hash)
                 SELECT organisation_id, chain, chain_kind, number, kind, happened_at, learned_at, door, 'changed', hash FROM event",
                "INSERT INTO event SELECT * FROM event WHERE true ON CONFLICT DO UPDATE SET body = 'changed'",
            ]),
            Engine::Postgres => tries.extend([
                "TRUNCATE event",
                "TRUNCATE event CASCADE",
                "INSERT INTO event OVERRIDING SYSTEM VALUE SELECT * FROM event ON CONFLICT (chain, number) DO UPDATE SET body = 'changed'",
            ]),
        }
        for text in tries {
            let error = execute(&db, text).await.expect_err(text);
            assert!(error.to_string().contains("inserts only"), "{text}: {error}");
        }
        let mut tx = db.read().await.unwrap();
        let head = events::verify_any_org(&mut tx, visit.id.0, organisation).await.unwrap().unwrap();
        assert_eq!(head, visit.chain);
    }

    async fn personal_words_can_be_erased_and_the_chain_holds(db: TestDb) {
        let db = db.open().await;
        let organisation = westshire(&db).await;
        let visit = a_visit(&db, organisation).await;
        let words = async || {
            let log = events::list_chain(&mut db.read().await.unwrap(), organisation, ChainOf::Visit(visit.id), 0, 9).await.unwrap();
            log[0].words.clone()
        };
        assert!(words().await.unwrap().contains("12 High St"));
        let mut log = events::list_chain(&mut db.read().await.unwrap(), organisation, ChainOf::Visit(visit.id), 0, 9).await.unwrap();
        assert!(!log.remove(0).event.body.contains("High St"), "the body itself holds no personal words");
        let chain = ChainOf::Visit(visit.id);
        db.write(async move |tx| events::erase_words(tx, organisation, chain).await).await.unwrap();
        assert_eq!(words().await, None);
        let mut tx = db.read().await.unwrap();
        events::verify_any_org(&mut tx, visit.id.0, organisation).await.unwrap().unwrap();
    }

    async fn whoever_changes_the_directory_the_next_reader_sees_it(db: TestDb) {
        let (one, other) = (db.open().await, db.open().await);
        let organisation = westshire(&one).await;
        let read = async |db: &Db| people::directory(&mut db.read().await.unwrap(), organisation).await.unwrap();
        let mut before = read(&one).await;
        assert!(Arc::ptr_eq(&before, &read(&one).await), "unchanged, it is not read again");
        for text in [
            "UPDATE organisation SET name = 'Eastshire'",
            "UPDATE team SET name = 'Team 9'",
            "UPDATE person SET phone = '+447700900999' WHERE key = 'ann'",
            "UPDATE proof SET state = 'declined', since = '2026-01-14T10:00:00+00:00' WHERE channel = 'sms'",
            "UPDATE proof SET times = 2, state = 'dead', why = 'opted_out' WHERE channel = 'email'",
            "UPDATE emergency_contact SET position = position + 7",
            "DELETE FROM emergency_contact WHERE person_id IN (SELECT id FROM person WHERE key = 'ann')",
            "INSERT INTO emergency_contact (person_id, position, contact_id)
             SELECT a.id, 1, b.id FROM person a JOIN person b ON b.key <> a.key WHERE a.key = 'ann' LIMIT 1",
        ] {
            // By another process, and past every function of ours.
            assert_ne!(execute(&other, text).await.unwrap(), 0, "{text}");
            let after = read(&one).await;
            assert!(!Arc::ptr_eq(&before, &after), "{text}");
            assert_eq!(*after, *read(&other).await, "{text}");
            before = after;
        }
        // What a transaction sees of its own changes is not what others see, above all if it comes to nothing.
        let renamed = async |name: &'static str, fails: bool| {
            let case = async move |tx: &mut Tx| {
                let mut directory = people::directory(tx, organisation).await?;
                for name in ["between", name] {
                    Arc::make_mut(&mut directory).name = name.into();
                    people::save(tx, "westshire", &directory).await?;
                    directory = people::directory(tx, organisation).await?;
                    assert_eq!(directory.name, name);
                }
                if fails { Err(Error::Unavailable("no".into())) } else { Ok(()) }
            };
            one.write(case).await
        };
        renamed("never", true).await.unwrap_err();
        assert_eq!(*read(&one).await, *before);
        renamed("Northshire", false).await.unwrap();
        assert_eq!((read(&one).await.name.as_str(), read(&other).await.name.as_str()), ("Northshire", "Northshire"));
    }

    async fn many_claim_each_message_once_and_an_expired_lease_is_due_again(db: TestDb) {
        let db = db.open().await;
        let organisation = westshire(&db).await;
        let new: Vec<NewMessage> = (0..600).map(|n| message(&format!("m{n}"), Purpose::FirstAlarm)).collect();
        let doubled = new[..10].to_vec();
        db.write(async move |tx| messages::queue(tx, organisation, &new, noon()).await).await.unwrap();
        db.write(async move |tx| messages::queue(tx, organisation, &doubled, noon()).await).await.unwrap();
        let lease_ends = noon() + TimeDelta::seconds(30);
        let claim = async |now: Time, lease_ends: Time| db.write(async move |tx| outbox::claim_any_org(tx, Channel::Sms, now, lease_ends, 40).await).await.unwrap();
        let worker = async || {
            let mut mine = Vec::new();
            loop {
                let claimed = claim(noon(), lease_ends).await;
                assert!(claimed.len() <= 40, "{} were claimed where there was room for 40", claimed.len());
                if claimed.is_empty() {
                    return mine;
                }
                mine.extend(claimed);
            }
        };
        let all: Vec<_> = futures::future::join_all((0..8).map(|_| worker())).await.into_iter().flatten().collect();
        let distinct: std::collections::BTreeSet<_> = all.iter().map(|claimed| claimed.message.id).collect();
        assert_eq!((all.len(), distinct.len()), (600, 600), "each once, and the same occasion asks once");
        assert!(claim(noon() + TimeDelta::seconds(29), lease_ends).await.is_empty());
        let again = claim(lease_ends, lease_ends + TimeDelta::seconds(30)).await;
        assert_eq!((again.len(), again[0].epoch, again[0].tries), (40, 2, 2));
        // Whoever held the lease before cannot mark it any more.
        let stale = all.iter().find(|claimed| claimed.message.id == again[0].message.id).unwrap().clone();
        let fresh = again[0].clone();
        let marked = db
            .write(async move |tx| {
                let late = outbox::done_any_org(tx, stale.message.id, stale.epoch).await?;
                let late_again = outbox::again_any_org(tx, stale.message.id, stale.epoch, noon(), 1).await?;
                Ok((late, late_again, outbox::done_any_org(tx, fresh.message.id, fresh.epoch).await?))
            })
            .await
            .unwrap();
        assert_eq!(marked, (false, false, true));
    }

    async fn a_message_that_cannot_be_read_does_not_hold_up_the_others(db: TestDb) {
        let db = db.open().await;
        let organisation = westshire(&db).await;
        let new = [message("one", Purpose::FirstAlarm), message("two", Purpose::FirstAlarm)];
        db.write(async move |tx| messages::queue(tx, organisation, &new, noon()).await).await.unwrap();
        assert_eq!(execute(&db, "UPDATE message SET channel = 'pigeon' WHERE body = 'one'").await.unwrap(), 1);
        let claimed = db.write(async move |tx| outbox::claim_any_org(tx, Channel::Sms, noon(), noon(), 10).await).await.unwrap();
        let texts: Vec<_> = claimed.iter().map(|claimed| claimed.message.body.as_str()).collect();
        assert_eq!(texts, ["two"]);
    }

    async fn first_alarms_go_before_everything_else(db: TestDb) {
        let db = db.open().await;
        let organisation = westshire(&db).await;
        for (n, purpose) in [Purpose::Reminder, Purpose::Told, Purpose::Alarm, Purpose::FirstAlarm].into_iter().enumerate() {
            let new = [message(&format!("m{n}"), purpose)];
            let now = noon() + TimeDelta::seconds(i64::try_from(n).unwrap());
            db.write(async move |tx| messages::queue(tx, organisation, &new, now).await).await.unwrap();
        }
        let mail = [NewMessage { channel: Channel::Email, ..message("mail", Purpose::Reminder) }];
        db.write(async move |tx| messages::queue(tx, organisation, &mail, noon()).await).await.unwrap();
        let claim_by = async |channel: Channel, seconds: i64| {
            let now = noon() + TimeDelta::seconds(60 + seconds);
            let case = async move |tx: &mut Tx| outbox::claim_any_org(tx, channel, now, now + TimeDelta::seconds(20), 9).await;
            db.write(case).await.unwrap()
        };
        let claim = async |seconds: i64| claim_by(Channel::Sms, seconds).await;
        let purposes = |claimed: &[Claimed]| claimed.iter().map(|claimed| claimed.message.purpose).collect::<Vec<_>>();
        let first = claim(0).await;
        assert_eq!(purposes(&first), [Purpose::FirstAlarm]);
        assert_eq!(purposes(&claim_by(Channel::Email, 0).await), [Purpose::Reminder], "the mail waits for no text");
        assert!(first.iter().all(|claimed| claimed.message.state == MessageState::Pending));
        assert_eq!(purposes(&claim(0).await), [], "it has just been claimed, and goes first");
        let (id, epoch) = (first[0].message.id, first[0].epoch);
        assert!(db.write(async move |tx| outbox::done_any_org(tx, id, epoch).await).await.unwrap());
        assert_eq!(purposes(&claim(0).await), [Purpose::Alarm]);
        assert_eq!(purposes(&claim(2).await), [Purpose::Told], "nobody waits longer for one that hangs");
    }

    async fn what_is_put_off_or_has_failed_lets_others_go(db: TestDb) {
        let db = db.open().await;
        let organisation = westshire(&db).await;
        let new = [message("call", Purpose::FirstAlarm), message("reminder", Purpose::Reminder)];
        db.write(async move |tx| messages::queue(tx, organisation, &new, noon()).await).await.unwrap();
        let claim = async |seconds: i64| {
            let now = noon() + TimeDelta::seconds(seconds);
            let case = async move |tx: &mut Tx| outbox::claim_any_org(tx, Channel::Sms, now, now + TimeDelta::seconds(20), 9).await;
            db.write(case).await.unwrap()
        };
        let words = |claimed: &[Claimed]| claimed.iter().map(|claimed| claimed.message.body.clone()).collect::<Vec<_>>();
        let again = async |claimed: Vec<Claimed>, due: i64, tries: u32| {
            let (id, epoch, due) = (claimed[0].message.id, claimed[0].epoch, noon() + TimeDelta::seconds(due));
            assert!(db.write(async move |tx| outbox::again_any_org(tx, id, epoch, due, tries).await).await.unwrap());
        };
        let call = claim(0).await;
        assert_eq!(words(&call), ["call"]);
        // Its provider asked to be left alone for a second: that is waited for. For a minute: it is not.
        again(call, 2, 0).await;
        assert_eq!(words(&claim(1).await), [""; 0]);
        let call = claim(2).await;
        again(call, 62, 0).await;
        let reminder = claim(3).await;
        assert_eq!(words(&reminder), ["reminder"]);
        // And whatever has failed goes first when it is due, and holds up nobody.
        again(reminder, 62, 1).await;
        let call = claim(62).await;
        assert_eq!(words(&call), ["call"]);
        again(call, 63, 1).await;
        assert_eq!(words(&claim(63).await), ["call", "reminder"]);
    }

    async fn readers_miss_nothing_while_twelve_write(db: TestDb) {
        let db = db.open().await;
        let organisation = westshire(&db).await;
        let mut ids = Vec::new();
        for _ in 0..12 {
            ids.push(a_visit(&db, organisation).await.id);
        }
        let before = read_all(&db, organisation, Cursor::default()).await;
        let start = before.last().map_or(Cursor::default(), |last| last.0);
        let writing = Arc::new(AtomicBool::new(true));
        let reader = {
            let (db, writing) = (db.clone(), Arc::clone(&writing));
            let ours: Vec<_> = ids.iter().map(|id| id.0).collect();
            tokio::spawn(async move {
                let (mut seen, mut after) = (Vec::new(), start);
                loop {
                    let still = writing.load(Ordering::SeqCst);
                    let more = read_all(&db, organisation, after).await;
                    after = more.last().map_or(after, |last| last.0);
                    // What was written before may come late too, where another test's transaction held it back.
                    seen.extend(more.into_iter().filter(|(_, chain, number)| ours.contains(chain) && *number > 1));
                    // What a transaction of another test holds back comes later; what was missed never comes.
                    if !still && seen.len() >= 12 * 40 {
                        return seen;
                    }
                    tokio::task::yield_now().await;
                }
            })
        };
        let write = async |id: VisitId| {
            for n in 0..40 {
                db.write(async move |tx| {
                    let mut visit = visits::load(tx, organisation, id).await?.unwrap().0;
                    let event = NewEvent::new(EventKind::VisitCheckedIn, noon(), json!({ "n": n }));
                    visits::log(tx, &mut visit, event, trace(noon())).await
                })
                .await
                .unwrap();
            }
        };
        futures::future::join_all(ids.iter().map(|id| write(*id))).await;
        writing.store(false, Ordering::SeqCst);
        let seen = tokio::time::timeout(Duration::from_mins(1), reader).await.expect("events were missed").unwrap();
        assert_eq!(seen.len(), 12 * 40);
        let distinct: std::collections::BTreeSet<_> = seen.iter().map(|(_, chain, number)| (*chain, *number)).collect();
        assert_eq!(distinct.len(), 12 * 40, "none twice, none missed");
    }

    async fn one_poisoned_deadline_does_not_hold_up_the_others(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        let mut visits = Vec::new();
        for n in 0..20 {
            let visit = app.person("ann").post("/visits", json!({"place": format!("place {n}"), "minutes": 30})).await;
            visits.push(visit.id());
        }
        let poisoned = &visits[7];
        let id = match db.engine {
            Engine::Sqlite => format!("x'{}'", poisoned.replace('-', "")),
            Engine::Postgres => format!("'{poisoned}'"),
        };
        assert_eq!(execute(app.db(), &format!("UPDATE visit SET state = 'nonsense' WHERE id = {id}")).await.unwrap(), 1);
        app.pass(40).await;
        assert_eq!(app.open_incidents().await, 19);
        let log = app.everything_that_happened().await;
        assert!(log.body.to_string().contains("deadline.poisoned"));
        let told: Vec<_> = app.said().await.into_iter().filter(|said| said.text.contains("CANNOT WATCH")).collect();
        assert_eq!(told.len(), 2, "the last-resort numbers, once: {told:?}");
        assert_eq!(execute(app.db(), &format!("UPDATE visit SET state = 'begun' WHERE id = {id}")).await.unwrap(), 1);
        app.pass(1).await;
        assert_eq!(app.open_incidents().await, 20, "mended, it is raised like the others");
        app.finish().await;
    }

    async fn a_message_that_makes_its_sender_fail_goes_by_the_next_channel_and_the_operator_is_told(db: TestDb) {
        let app = TestApp::with(&db, WESTSHIRE, |config| {
            config.operator.email = Some(homeward::domain::contact::Email::parse("operator@example.org").unwrap());
        })
        .await;
        app.ann_goes_in(30).await;
        app.pass(19).await;
        app.clock.advance(TimeDelta::minutes(1));
        app.app.timer.tick(app.now()).await.unwrap();
        let (now, house) = (app.now(), app.app.site.house.clone());
        let lease_ends = now + TimeDelta::seconds(30);
        let claimed = app.db().write(async move |tx| outbox::claim_any_org(tx, Channel::Sms, now, lease_ends, 10).await).await.unwrap();
        let [reminder] = claimed.try_into().expect("one reminder, by text");
        let poisoned = reminder.clone();
        let trace = Trace::machine(Door::Outbox, now);
        app.db().write(async move |tx| homeward::app::delivery::poisoned(tx, &house, &poisoned, trace).await).await.unwrap();
        app.work().await;
        let said = app.said().await;
        let state = |to: &str, channel| said.iter().find(|said| said.to == to && said.channel == channel).map(|said| said.state);
        assert_eq!(state("ann", Channel::Email), Some(MessageState::Accepted), "its next channel, at once");
        assert_eq!(state("operator@example.org", Channel::Email), Some(MessageState::Accepted));
        assert_eq!(state("ann", Channel::Sms), Some(MessageState::Pending), "itself it is moved aside, not lost");
        app.pass(1).await;
        assert!(app.said().await.iter().all(|said| said.state == MessageState::Accepted));
        app.finish().await;
    }

    async fn two_replicas_raise_each_visit_once(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        for n in 0..60 {
            app.person("ann").post("/visits", json!({"place": format!("place {n}"), "minutes": 30})).await.is_ok();
        }
        app.pass(39).await;
        app.clock.advance(TimeDelta::minutes(1));
        let now = app.now();
        let ticks = futures::future::join_all((0..4).map(|_| app.app.timer.tick(now))).await;
        assert!(ticks.iter().all(std::result::Result::is_ok), "{ticks:?}");
        app.work().await;
        let calls: Vec<_> = app.said().await.into_iter().filter(|said| said.purpose.calls_to_act()).collect();
        assert_eq!(calls.iter().filter(|said| said.to == "jo").count(), 120, "each visit by two channels");
        // Sam reads of several in one message, of each once by each channel: by its code, for a mail about one alone has the name twice.
        let open = app.person("sam").get("/incidents?state=open").await.body;
        let codes: Vec<_> = open["incidents"].as_array().unwrap().iter().map(|incident| incident["code"].as_str().unwrap()).collect();
        assert_eq!(codes.len(), 60);
        for channel in Channel::ALL {
            for code in &codes {
                let is_it = |said: &&Said| said.to == "sam" && said.channel == channel && said.text.contains(*code);
                assert_eq!(calls.iter().filter(is_it).count(), 1, "{channel:?} {code}");
            }
        }
        app.finish().await;
    }
}

fn message(occasion: &str, purpose: Purpose) -> NewMessage {
    NewMessage {
        recipient: None,
        visit: None,
        incident: None,
        rung: None,
        turn: messages::Turn::First,
        occasion: Occasion::new(occasion).id(),
        purpose,
        channel: Channel::Sms,
        address: "+447700900123".into(),
        text: Text { sms: occasion.into(), subject: occasion.into(), mail: occasion.into() },
    }
}

async fn read_all(db: &Db, organisation: OrganisationId, after: Cursor) -> Vec<(Cursor, uuid::Uuid, i64)> {
    let mut tx = db.read().await.unwrap();
    let found = events::list(&mut tx, organisation, after, 10_000).await.unwrap();
    found.into_iter().map(|kept| (kept.cursor, kept.event.chain, kept.event.number)).collect()
}

/// Every constant of SQL in the store, by file and name: its text for SQLite and for PostgreSQL.
fn texts() -> BTreeMap<String, (String, String)> {
    let mut texts = BTreeMap::new();
    for file in std::fs::read_dir("src/store").unwrap() {
        let path = file.unwrap().path();
        let source = syn::parse_file(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for item in source.items {
            let syn::Item::Const(constant) = item else { continue };
            let name = format!("{}::{}", path.file_stem().unwrap().display(), constant.ident);
            let text = |expr: &syn::Expr| match expr {
                syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
                _ => None,
            };
            match &*constant.expr {
                syn::Expr::Call(call) => {
                    let both: Vec<_> = call.args.iter().filter_map(text).collect();
                    if let [sqlite, postgres] = both.as_slice() {
                        texts.insert(name, (sqlite.clone(), postgres.clone()));
                    }
                }
                expr => {
                    if let Some(text) = text(expr) {
                        texts.insert(name, (text.clone(), text));
                    }
                }
            }
        }
    }
    // Several statements at once, and the engine's own name in it: the test of the application's user runs it.
    texts.remove("migrate::GRANTS");
    texts
}

/// SQLite binds a parameter that is missing as NULL and says nothing: so the counts are compared.
#[tokio::test(flavor = "multi_thread")]
async fn every_text_is_understood_by_both_engines_with_as_many_parameters() {
    let texts = texts();
    assert!(texts.len() > 60, "only {} texts were found", texts.len());
    let sqlite = TestDb::sqlite().await;
    let mut sqlite = sqlx::SqliteConnection::connect(&sqlite.url).await.unwrap();
    let postgres = TestDb::postgres().await;
    let mut postgres = match &postgres {
        Some(db) => Some(sqlx::PgConnection::connect(&db.url).await.unwrap()),
        None => None,
    };
    for (name, (for_sqlite, for_postgres)) in texts {
        let count = |parameters: Option<sqlx::Either<usize, usize>>| match parameters {
            Some(sqlx::Either::Left(count) | sqlx::Either::Right(count)) => count,
            None => 0,
        };
        let prepared = (&mut sqlite).prepare(AssertSqlSafe(for_sqlite).into_sql_str()).await;
        let prepared = prepared.unwrap_or_else(|error| panic!("{name} on SQLite: {error}"));
        let on_sqlite = count(prepared.parameters().map(|either| either.map_left(<[_]>::len)));
        let Some(postgres) = &mut postgres else { continue };
        let prepared = postgres.prepare(AssertSqlSafe(for_postgres).into_sql_str()).await;
        let prepared = prepared.unwrap_or_else(|error| panic!("{name} on PostgreSQL: {error}"));
        let on_postgres = count(prepared.parameters().map(|either| either.map_left(<[_]>::len)));
        assert_eq!(on_sqlite, on_postgres, "{name}");
    }
}

/// Without statistics SQLite may prefer an index that serves the ORDER BY and read a whole organisation for one worker: 20 ms
/// a start at 30,000 visits. What stands in everybody's way has to go by its own index.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_often_goes_by_its_own_index() {
    let db = TestDb::sqlite().await;
    let mut conn = sqlx::SqliteConnection::connect(&db.url).await.unwrap();
    let texts = texts();
    for (name, index) in [
        ("visits::RUNNING_OF", "visit_running"),
        ("visits::FIND_RUNNING_OF", "visit_running"),
        ("visits::OPEN_INCIDENT", "incident_open"),
        ("incidents::OPEN_ABOUT", "incident_open_subject"),
        ("incidents::OPEN_ABOUT_ANY_OF", "incident_open_subject"),
        ("incidents::ALARM", "incident_open_subject"),
        ("visits::LAST_OF", "visit_ended"),
        ("chases::DUE_RECORDS_ANY_ORG", "chase_due"),
        ("chases::DUE_FOLLOW_UPS_ANY_ORG", "chase_due"),
        ("chases::DUE_OF_VISITS_ANY_ORG", "chase_due"),
        ("chases::DUE_CONCERNS_ANY_ORG", "chase_due"),
        ("chases::DUE_CONCERN_ACTIONS_ANY_ORG", "chase_due"),
        ("chases::NEXT_DUE_ANY_ORG", "chase_due"),
        ("concerns::OPEN_ABOUT_CASE", "concern_about_case"),
        ("chases::DUE_EQUIPMENT_ANY_ORG", "chase_due"),
        ("chases::DUE_PEOPLE_ANY_ORG", "chase_due"),
        ("equipment::HELD_BY", "equipment_holder"),
        ("due::VISITS", "visit_of_case"),
        ("due::CASE", "sqlite_autoindex_case_file_2"),
        ("oversight::DONE", "oversight_asked_once"),
        ("oversight::MISSING", "oversight_missing"),
        ("oversight::ENTRIES", "oversight_of"),
        ("people::CALLERS_ANY_ORG", "person_phone"),
        ("people::CALLERS_ANY_ORG", "equipment_phone"),
        ("messages::TAKE_BACK_CALLS", "message_incident"),
        ("messages::DROP_CALLS", "message_incident"),
        ("messages::TAKE_BACK_REMINDERS", "message_visit"),
        ("messages::DROP_REMINDERS", "message_visit"),
        ("messages::OF_OCCASION", "message_occasion"),
        ("messages::STANDING_IN_ROUND", "message_incident"),
        ("visits::NEXT_DUE_ANY_ORG", "visit_deadline_due"),
        ("outbox::NEXT_DUE_ANY_ORG", "outbox_due"),
        ("outbox::CLAIM_ANY_ORG", "outbox_due"),
        ("installation::COUNTS_ANY_ORG", "visit_running"),
        ("installation::COUNTS_ANY_ORG", "incident_open"),
    ] {
        let text = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", texts[name].0));
        let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(text).fetch_all(&mut conn).await.unwrap();
        let steps: Vec<&str> = plan.iter().map(|step| step.3.as_str()).collect();
        assert!(
            steps
                .iter()
                .any(|step| step.contains(&format!("INDEX {index} "))
                    || step.ends_with(&format!("INDEX {index}"))),
            "{name}: {steps:?}"
        );
    }
}

/// What goes first on a channel is asked once for a claim, and not for each row that waits: with 10,000 of them the claim would
/// be given up each time, and nothing would go any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_asks_once_what_goes_first() {
    let (for_sqlite, for_postgres) = texts().remove("outbox::CLAIM_ANY_ORG").unwrap();
    let sqlite = TestDb::sqlite().await;
    let mut conn = sqlx::SqliteConnection::connect(&sqlite.url).await.unwrap();
    let text = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {for_sqlite}"));
    let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(text).fetch_all(&mut conn).await.unwrap();
    assert!(plan.iter().all(|step| !step.3.contains("CORRELATED")), "{plan:?}");
    let Some(postgres) = TestDb::postgres().await else { return };
    let mut conn = sqlx::PgConnection::connect(&postgres.url).await.unwrap();
    let prepare = AssertSqlSafe(format!("PREPARE claim AS {for_postgres}"));
    conn.execute(prepare).await.unwrap();
    let explain = "EXPLAIN EXECUTE claim ('sms', now(), now(), 64, now(), now())";
    let plan: Vec<String> = sqlx::query_scalar(explain).fetch_all(&mut conn).await.unwrap();
    assert!(plan.iter().any(|line| line.contains("InitPlan")), "{plan:#?}");
    assert!(plan.iter().all(|line| !line.contains("SubPlan")), "{plan:#?}");
}

#[test]
fn migrations_have_the_same_names_on_both() {
    let names = |engine: &str| -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(format!("migrations/{engine}"))
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("sqlite"), names("postgres"));
}

#[tokio::test(flavor = "multi_thread")]
async fn both_databases_have_the_same_tables_and_columns() {
    let Some(postgres) = TestDb::postgres().await else { return };
    let sqlite = TestDb::sqlite().await;
    let mut conn = sqlx::SqliteConnection::connect(&sqlite.url).await.unwrap();
    let on_sqlite: Vec<(String, String)> = sqlx::query_as(
        "SELECT t.name, c.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c
         WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name <> '_sqlx_migrations' ORDER BY 1, 2",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    let mut conn = sqlx::PgConnection::connect(&postgres.url).await.unwrap();
    let on_postgres: Vec<(String, String)> = sqlx::query_as(
        "SELECT table_name::text COLLATE \"C\", column_name::text COLLATE \"C\" FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations' ORDER BY 1, 2",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    assert_eq!(on_sqlite, on_postgres);
}

/// The application's own PostgreSQL user can do its work and cannot touch what happened.
#[tokio::test(flavor = "multi_thread")]
async fn the_applications_own_user_can_work_and_cannot_change_the_log() {
    let Some(owner) = TestDb::postgres().await else { return };
    let db = owner.open().await;
    let organisation = westshire(&db).await;
    let role = format!("homeward_app_{}", uuid::Uuid::new_v4().simple());
    execute(&db, &format!("CREATE ROLE {role} LOGIN PASSWORD 'app'")).await.unwrap();
    db.grant_to(&role).await.unwrap();
    let mut url = reqwest::Url::parse(&owner.url).unwrap();
    url.set_username(&role).unwrap();
    url.set_password(Some("app")).unwrap();
    let app = crate::support::open(url.as_str()).await;
    let visit = a_visit(&app, organisation).await;
    assert_eq!(visit.version, 1);
    for text in [
        "UPDATE event SET body = ''",
        "DELETE FROM event",
        "TRUNCATE event",
        "ALTER TABLE event DISABLE TRIGGER ALL",
        "DROP TABLE event",
    ] {
        assert!(execute(&app, text).await.is_err(), "{text}");
    }
    app.close().await;
    execute(&db, &format!("DROP OWNED BY {role}")).await.unwrap();
    execute(&db, &format!("DROP ROLE {role}")).await.unwrap();
}

/// Nothing of a file with one bad line is applied, and the line is named.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_one_bad_line_changes_nothing() {
    let db = TestDb::sqlite().await;
    let db = db.open().await;
    let try_it = async |text: String| -> Vec<organisation::Complaint> {
        let defaults = Defaults { policy: Policy::default(), ladder: Ladder::default() };
        let wanted = match Wanted::parse(&text, defaults) {
            Ok(wanted) => wanted,
            Err(refused) => return refused.0,
        };
        let applied = db
            .write(async move |tx: &mut Tx| organisation::apply(tx, &wanted, trace(noon())).await)
            .await
            .unwrap();
        applied.err().map(|refused| refused.0).unwrap_or_default()
    };
    let line_of =
        |needle: &str| WESTSHIRE.lines().position(|line| line.contains(needle)).map(|line| line + 1);
    for (good, bad, expected) in [
        ("phone = \"07700 900123\"", "phone = \"12\"", "is not a telephone number"),
        ("email = \"sam@example.org\"", "email = \"sam\"", "is not a mail address"),
        ("manager = \"sam\"", "manager = \"nobody\"", "there is no person with the key “nobody”"),
        ("zone = \"Europe/London\"", "zone = \"Europe/Westshire\"", "is no time zone"),
        ("parent = \"unit\"", "parent = \"moon\"", "there is no team with the key “moon”"),
        ("duty_manager = \"dee\"", "duty_manager = \"999\"", "there is no person"),
        ("role = \"auditor\"", "role = \"king\"", "unknown variant"),
        ("name = \"Dee Park\"", "name = \"Dee Park\"\nhat = 1", "unknown field"),
        ("key = \"dee\"", "key = \"sam\"", "stands twice"),
    ] {
        let complaints = try_it(WESTSHIRE.replacen(good, bad, 1)).await;
        let Some(complaint) = complaints.iter().find(|complaint| complaint.message.contains(expected)) else {
            panic!("{bad}: {complaints:?}")
        };
        let line = complaint.line.unwrap_or_else(|| panic!("{bad}: no line is named"));
        let expected_line = line_of(good).unwrap();
        assert!(
            line >= expected_line.min(line_of("key = \"sam\"").unwrap_or(1)) && line <= expected_line + 9,
            "{bad}: line {line}, not {expected_line}"
        );
    }
    for (change, expected) in [
        (
            WESTSHIRE.replace(
                "last_resort = [\"07700 900900\", \"07700 900901\"]",
                "last_resort = [\"07700 900900\"]",
            ),
            "two different numbers",
        ),
        (
            WESTSHIRE
                .replace("role = \"manager\"", "role = \"auditor\"")
                .replace("role = \"senior_manager\"", "role = \"auditor\""),
            "reaches nobody with an account for “ann”",
        ),
        (
            WESTSHIRE
                .replace("policy = { extension_cap = \"2h\" }", "policy = { extension_cap = \"two hours\" }"),
            "is no length of time",
        ),
        (
            WESTSHIRE.replace("policy = { extension_cap = \"2h\" }", "policy = { patience = \"2h\" }"),
            "is no part of a policy",
        ),
        (
            format!(
                "{WESTSHIRE}\n[[ladder]]\nrisk = \"normal\"\nrepeat_every = \"5m\"\nsteps = [{{ after = \"0s\", tell = [\"everybody\"] }}]"
            ),
            "is no target of a ladder",
        ),
        (
            format!(
                "{WESTSHIRE}\n[[ladder]]\nrisk = \"normal\"\nrepeat_every = \"0s\"\nsteps = [{{ after = \"0s\", tell = [\"manager\"] }}]"
            ),
            "repeat_every must be between",
        ),
        (
            format!(
                "{WESTSHIRE}\n[[ladder]]\nrisk = \"normal\"\nrepeat_every = \"5m\"\nsteps = [{{ after = \"0s\", tell = [] }}]"
            ),
            "step 1 tells nobody",
        ),
        (
            format!(
                "{WESTSHIRE}\n[[ladder]]\nrisk = \"normal\"\nrepeat_every = \"5m\"\nsteps = [{{ after = \"0s\", tell = [\"person:zoe\"] }}]"
            ),
            "step 1 names “person:zoe”",
        ),
    ] {
        let complaints = try_it(change).await;
        assert!(
            complaints.iter().any(|complaint| complaint.message.contains(expected)),
            "{expected}: {complaints:?}"
        );
    }
    let mut tx = db.read().await.unwrap();
    assert_eq!(people::organisations_any_org(&mut tx).await.unwrap(), [], "nothing was applied");
    drop(tx);
    assert_eq!(try_it(WESTSHIRE.to_owned()).await, []);
    let again = crate::support::app::apply(&db, WESTSHIRE, Policy::default(), noon()).await;
    assert!(again.1.is_empty(), "applied again it makes nobody and no token");
}
