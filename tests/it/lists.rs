//! Lists are cut after rights: what somebody may not see takes no room in theirs.

use chrono::{Days, TimeDelta};
use homeward::{
    domain::{
        concern::{Concern, ConcernKind, ConcernState},
        follow_up::{FollowUp, FollowUpKind},
        ids::{ConcernId, FollowUpId, IncidentId},
        people::Directory,
    },
    store::{concerns, follow_ups, people},
};
use serde_json::{Value, json};

use crate::support::{
    TestDb,
    app::{TestApp, WESTSHIRE},
    on_both,
};

/// Kim of another team, whose manager is Lou.
async fn two_teams(db: &TestDb) -> TestApp {
    let person = |key: &str, name: &str, role: &str, phone: u32| {
        format!(
            "\n[[person]]\nkey = \"{key}\"\nname = \"{name}\"\nteam = \"south\"\nrole = \"{role}\"\nphone = \"07700 {phone}\"\n"
        )
    };
    let south = "\n[[team]]\nkey = \"south\"\nname = \"South team\"\nparent = \"unit\"\n";
    let people =
        [person("kim", "Kim Diaz", "worker", 900_301), person("lou", "Lou Reed", "manager", 900_302)]
            .concat();
    TestApp::with(db, &format!("{WESTSHIRE}{south}{people}"), |_| {}).await
}

async fn directory(app: &TestApp) -> std::sync::Arc<Directory> {
    people::directory(&mut app.db().read().await.unwrap(), app.organisation).await.unwrap()
}

/// A call for help of somebody's that is over; its id.
async fn over(app: &TestApp, who: &str, by: &str) -> IncidentId {
    app.person(who).post("/sos", json!({})).await.is_ok();
    let id = app.the_incident().await["id"].as_str().unwrap().to_owned();
    let how = json!({"outcome": "false_alarm", "known_by": "seen", "worker_now": "home", "note": "n"});
    app.person(by).post(&format!("/incidents/{id}/close"), how).await.is_ok();
    IncidentId(id.parse().unwrap())
}

on_both! {
    async fn concerns_of_others_take_no_room(db: TestDb) {
        let app = two_teams(&db).await;
        let kims = app.person("kim").post("/concerns", json!({"words": "a car that waits"})).await.is_ok().id();
        let directory = directory(&app).await;
        let ann = directory.named("ann").unwrap().clone();
        let (organisation, now) = (app.organisation, app.now() + TimeDelta::minutes(1));
        app.db()
            .write(async move |tx| {
                for n in 0..510 {
                    let at = now + TimeDelta::seconds(n);
                    let concern = Concern {
                        id: ConcernId::new(at),
                        organisation,
                        team: ann.team,
                        worker: ann.id,
                        raised: (ann.id, at),
                        visit: None,
                        case_reference: None,
                        kind: ConcernKind::Other,
                        words: "w".into(),
                        told: vec![],
                        state: if n % 2 == 0 { ConcernState::Raised } else { ConcernState::Closed },
                        closing: None,
                    };
                    concerns::insert(tx, organisation, &concern).await?;
                }
                Ok(())
            })
            .await
            .unwrap();
        let page = async |who: &str, query: &str| {
            let list = app.person(who).get(&format!("/concerns{query}")).await;
            let ids: Vec<String> = list.is_ok().body["concerns"].as_array().unwrap().iter().map(|concern| concern["id"].as_str().unwrap().to_owned()).collect();
            (ids, list.body["next"].clone())
        };
        assert_eq!(page("lou", "").await, (vec![kims.clone()], Value::Null), "newer ones of others do not push it out");
        let (first, next) = page("una", "").await;
        let (second, last) = page("una", &format!("?after={}", next.as_str().unwrap())).await;
        assert_eq!((first.len(), second.len(), last), (500, 11, Value::Null));
        let all: std::collections::BTreeSet<_> = first.iter().chain(&second).collect();
        assert_eq!(all.len(), 511, "each once");
        assert_eq!(first[255], kims, "the open ones first, each the newest first");
        let (open, next) = page("sam", "?state=open").await;
        assert_eq!((open.len(), next), (255, Value::Null));
        for bad in ["x", "0-x", "-1"] {
            let refused = app.person("una").get(&format!("/concerns?after={bad}")).await;
            assert_eq!(refused.is_problem(422, "invalid-field").body["field"], "after", "{bad}");
        }
    }

    async fn drills_of_others_take_no_room(db: TestDb) {
        let app = two_teams(&db).await;
        let drill = async |by: &str, worker: &str| {
            let started = app.person(by).post("/drills", json!({"worker": worker})).await;
            let id = started.is_ok().id();
            app.person(by).post(&format!("/drills/{id}/end"), json!({})).await.is_ok();
            app.clock.advance(TimeDelta::seconds(1));
            id
        };
        let kims = drill("lou", "kim").await;
        for _ in 0..55 {
            drill("sam", "ann").await;
        }
        let listed = async |who: &str| {
            let list = app.person(who).get("/drills").await;
            list.is_ok().body["drills"].as_array().unwrap().clone()
        };
        let lous = listed("lou").await;
        assert_eq!((lous.len(), lous[0]["id"].as_str()), (1, Some(kims.as_str())));
        assert_eq!(listed("sam").await.len(), 50);
    }

    async fn what_is_to_be_done_after_alarms_of_others_takes_no_room(db: TestDb) {
        let app = two_teams(&db).await;
        let (anns, kims) = (over(&app, "ann", "sam").await, over(&app, "kim", "lou").await);
        let directory = directory(&app).await;
        let id_of = |key: &str| directory.named(key).unwrap().id;
        let (sam, lou, organisation, now) = (id_of("sam"), id_of("lou"), app.organisation, app.now());
        app.db()
            .write(async move |tx| {
                let today = now.date_naive();
                for n in 0..=510 {
                    // The last is Lou's, and the least urgent.
                    let (incident, owner) = if n < 510 { (anns, sam) } else { (kims, lou) };
                    let due_on = today.checked_add_days(Days::new(n / 100)).unwrap();
                    let id = FollowUpId::new(now);
                    let (kind, what) = (FollowUpKind::Other, "w".to_owned());
                    let follow_up =
                        FollowUp { id, organisation, incident, kind, what, owner, due_on, set: (owner, now), done: None };
                    follow_ups::insert(tx, &follow_up).await?;
                }
                Ok(())
            })
            .await
            .unwrap();
        let listed = async |who: &str| {
            let list = app.person(who).get("/follow-ups").await;
            list.is_ok().body["follow_ups"].as_array().unwrap().clone()
        };
        let lous = listed("lou").await;
        assert_eq!((lous.len(), lous[0]["owner"]["name"].as_str()), (1, Some("Lou Reed")));
        let unas = listed("una").await;
        let days: Vec<&str> = unas.iter().map(|follow_up| follow_up["due_on"].as_str().unwrap()).collect();
        assert_eq!((unas.len(), days.is_sorted()), (500, true));
        let kims = listed("kim").await;
        assert_eq!((kims.len(), &kims[0]["id"]), (1, &lous[0]["id"]), "whom it was about sees it once it is over");
    }
}
