//! Drills: the real ladder, marked in every text, behind everything that is real (row E9).

use chrono::TimeDelta;
use homeward::domain::notice::Purpose;
use serde_json::json;

use crate::support::{app::TestApp, on_both};

on_both! {
    async fn a_drill_runs_the_ladder_until_somebody_answers(db: TestDb) {
        let app = TestApp::start(&db).await;
        let drill = app.person("una").post("/drills", json!({"worker": "ann"})).await;
        assert_eq!((drill.status, drill.body["state"].as_str()), (201, Some("running")), "{drill:?}");
        let id = drill.id();
        app.work().await;
        let said = app.said().await;
        let mut called: Vec<_> = said.iter().map(|said| said.to.as_str()).collect();
        called.dedup();
        called.sort_unstable();
        called.dedup();
        assert_eq!(called, ["jo", "sam"], "as the first step of the real one");
        assert!(said.iter().all(|said| said.text.starts_with("DRILL: ") && said.purpose == Purpose::Drill), "{said:?}");
        assert_eq!(app.open_incidents().await, 0, "it is no alarm");
        app.pass(5).await;
        assert_eq!((app.texts("dee").await.len(), app.texts("sam").await.len()), (1, 2));

        // By text, with the code that stands in it.
        let code = app.texts("sam").await[0].rsplit(": ").next().unwrap().trim_end_matches('.').to_owned();
        app.clock.advance(TimeDelta::seconds(1));
        let answered = app.person("sam").post("/text", json!({"text": format!("ACK {code}")})).await;
        assert_eq!(answered.body["reply"], "DRILL answered: Ann Lee. Thank you. Nothing else to do.", "{answered:?}");
        app.work().await;
        assert_eq!(app.texts("dee").await.last().unwrap(), "DRILL OVER: Sam Cole answered it. Nothing to do. Thank you.");
        let report = app.person("una").get(&format!("/drills/{id}")).await;
        assert_eq!((report.body["state"].as_str(), report.body["answered_by"]["name"].as_str(), report.body["answered_after_seconds"].as_i64()), (Some("answered"), Some("Sam Cole"), Some(301)), "{report:?}");
        assert_eq!(report.body["calls"].as_array().unwrap().len(), 3);
        let before = app.said().await.len();
        app.pass(30).await;
        assert_eq!(app.said().await.len(), before, "it is over");
        let kinds: Vec<_> = app.everything_that_happened().await.body["events"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap().to_owned()).filter(|kind| kind.starts_with("drill.")).collect();
        assert_eq!(kinds, ["drill.started", "drill.raised", "drill.raised", "drill.answered"]);
        app.finish().await;
    }

    async fn a_real_alarm_wins_over_a_drill(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.ann_goes_in(30).await;
        let id = app.person("una").post("/drills", json!({"worker": "ann"})).await.id();
        app.work().await;
        app.clock.advance(TimeDelta::seconds(1));
        app.person("ann").post("/sos", json!({})).await.is_ok();
        app.work().await;
        let texts = app.texts("sam").await;
        assert!(texts[0].starts_with("DRILL: ") && texts.last().unwrap().starts_with("SOS: Ann Lee"), "{texts:?}");
        let report = app.person("una").get(&format!("/drills/{id}")).await;
        assert_eq!((report.body["state"].as_str(), report.body["ended_by_alarm"].as_bool()), (Some("ended"), Some(true)), "{report:?}");
        let before = texts.iter().filter(|text| text.starts_with("DRILL")).count();
        app.pass(20).await;
        assert_eq!(app.texts("sam").await.iter().filter(|text| text.starts_with("DRILL")).count(), before);
        assert_eq!(app.the_incident().await["kind"], "sos");
        app.person("una").post("/drills", json!({"worker": "ann"})).await.is_problem(409, "drill-not-now");
        app.finish().await;
    }

    async fn a_drill_ends_by_a_person_alone_and_its_subject_sees_nothing_of_it(db: TestDb) {
        let app = TestApp::start(&db).await;
        let (una, sam) = (app.person("una"), app.person("sam"));
        for (who, worker, status) in [("ann", "sam", 403), ("ari", "ann", 403), ("cas", "ann", 403), ("sam", "dee", 403), ("sam", "sam", 403), ("sam", "jo", 422)] {
            assert_eq!(app.person(who).post("/drills", json!({"worker": worker})).await.status, status, "{who} {worker}");
        }
        una.post("/drills", json!({"worker": "ann", "when": "2026-01-14T11:00"})).await.is_problem(409, "drill-not-now");
        let id = sam.post("/drills", json!({"worker": "ann", "when": "2026-01-14T13:00"})).await.id();
        sam.post("/drills", json!({"worker": "ann"})).await.is_problem(409, "drill-not-now");
        app.pass(59).await;
        assert_eq!(app.said().await, [], "it is set for one o'clock");
        app.pass(2).await;
        assert_eq!(app.texts("jo").await.len(), 1);
        app.pass(60).await;
        assert_eq!(app.texts("jo").await.len(), 13, "nothing ends by itself");
        app.person("ann").get(&format!("/drills/{id}")).await.is_problem(404, "not-found");
        app.person("ann").post(&format!("/drills/{id}/end"), json!({})).await.is_problem(404, "not-found");
        app.person("ann").post(&format!("/drills/{id}/acknowledge"), json!({})).await.is_problem(404, "not-found");
        assert_eq!(app.person("dee").get(&format!("/drills/{id}")).await.status, 200);
        app.clock.advance(TimeDelta::seconds(1));
        let ended = una.post(&format!("/drills/{id}/end"), json!({})).await;
        assert_eq!((ended.body["state"].as_str(), ended.body["ended_by"]["name"].as_str()), (Some("ended"), Some("Una Hart")), "{ended:?}");
        let again = una.post(&format!("/drills/{id}/end"), json!({})).await;
        assert_eq!(again.body["finished_at"], ended.body["finished_at"]);
        app.work().await;
        assert_eq!(app.texts("jo").await.last().unwrap(), "DRILL OVER. Nothing to do. Thank you.");
        // Over the API, by somebody who was called.
        let id = una.post("/drills", json!({"worker": "ann"})).await.id();
        app.work().await;
        let answered = sam.post(&format!("/drills/{id}/acknowledge"), json!({})).await;
        assert_eq!((answered.body["state"].as_str(), answered.body["answered_by"]["name"].as_str()), (Some("answered"), Some("Sam Cole")));
        app.finish().await;
    }
}
