//! Every type that is offered is told of what somebody has really done.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use homeward::domain::webhook::{OFFERED, Offered};
use serde_json::{Value, json};

use super::{OLD, PIN, westshire};
use crate::support::{TestDb, app::TestApp, fake_receiver::FakeReceiver, on_both};

const RULES: &str = "\n[agreement.rules]\nno_phone = \"off\"\nno_emergency_contact = \"off\"\n";

/// One that may speak to this machine, and whose north team asks for agreement.
async fn start(db: &TestDb) -> TestApp {
    let asked =
        westshire().replace(r#"policy = { extension_cap = "2h" }"#, r#"policy = { agreement = "asked" }"#);
    TestApp::with(db, &format!("{asked}{RULES}"), |config| config.webhooks.private_networks = true).await
}

impl TestApp {
    async fn does(&self, who: &str, path: &str, body: Value) -> String {
        let done = self.person(who).post(path, body).await;
        done.is_ok().body["id"].as_str().unwrap_or_default().to_owned()
    }

    /// A plan of Ann's to a case, for this hour of today.
    async fn plans_at(&self, hour: u32) -> String {
        let at = |hour: u32| format!("{}T{hour}:00:00Z", self.now().format("%Y-%m-%d"));
        let plan = json!({"case_reference": "A123456", "purpose": "supervision", "expected_arrival": at(hour), "expected_departure": at(hour + 1)});
        self.does("ann", "/visits", plan).await
    }
}

on_both! {
    async fn every_type_is_told_of_what_somebody_did_with_the_ids_that_it_promises(db: TestDb) {
        let app = start(&db).await;
        app.set_pin("ann").await;
        let receiver = FakeReceiver::start(&[OLD]).await;
        let names: Vec<&str> = Offered::names().collect();
        app.tell(&receiver, &names).await;

        app.does("ann", "/cases", json!({"reference": "A123456", "visiting": "supervised"})).await;
        let place = app.does("ann", "/cases/A123456/places", json!({"address": "12 High St"})).await;
        let dog = json!({"about": "animals", "words": "a large dog", "measures": ["it is shut away"], "likelihood": 2, "severity": 2});
        let assessment = app.does("ann", &format!("/places/{place}/assessments"), json!({"factors": [dog], "review_on": "2026-07-01"})).await;
        app.does("sam", &format!("/assessments/{assessment}/agree"), json!({})).await;
        let found = json!({"about": "assessment", "id": assessment, "words": "the measures fit"});
        let entry = app.person("sam").post("/oversight", found).await.is_ok().body["entry"]["oversight"].as_str().unwrap().to_owned();

        let off = app.plans_at(18).await;
        app.does("ann", &format!("/visits/{off}/cancel"), json!({"pin": PIN, "reason": "they are away"})).await;
        let refused = app.plans_at(20).await;
        app.does("una", &format!("/visits/{refused}/agreement/decide"), json!({"decision": "refuse", "words": "not this late"})).await;
        let visit = app.plans_at(14).await;
        let emergency = json!({"exception": {"kind": "emergency", "circumstances": "police asked"}});
        app.does("ann", &format!("/visits/{visit}/agreement"), emergency).await;
        app.does("una", &format!("/visits/{visit}/agreement/decide"), json!({"decision": "agree", "words": "go"})).await;
        app.clock.advance(TimeDelta::hours(2));
        app.does("ann", &format!("/visits/{visit}/arrive"), json!({})).await;
        app.clock.advance(TimeDelta::minutes(5));
        app.does("ann", "/sos", json!({})).await;
        app.work().await;
        let incident = app.the_incident().await["id"].as_str().unwrap().to_owned();
        let closing = json!({"outcome": "false_alarm", "known_by": "seen", "worker_now": "elsewhere_safe", "note": "n"});
        app.does("sam", &format!("/incidents/{incident}/close"), closing).await;
        app.does("sam", &format!("/incidents/{incident}/review"), json!({"learned": "a pocket call", "action": "a case for the phone"})).await;
        app.does("ann", &format!("/visits/{visit}/record"), json!({"outcome": "seen", "seen_whom": "Robin", "work_undertaken": "supervision"})).await;
        let review = app.person("una").put(&format!("/visits/{visit}/exception/review"), json!({"words": "right to go"})).await;
        review.is_ok();
        let past = json!({"place": "3 Mill Ln", "arrived_at": "2026-01-14T09:00:00Z", "left_at": "2026-01-14T09:20:00Z", "reason": "no signal", "outcome": "seen"});
        app.does("ann", "/past-visits", past).await;

        let concern = app.does("ann", &format!("/visits/{visit}/concerns"), json!({"words": "a car that waits", "kind": "other"})).await;
        app.does("sam", &format!("/concerns/{concern}/discussed"), json!({"with": "ann", "words": "we spoke of it"})).await;
        app.does("sam", &format!("/concerns/{concern}/close"), json!({"outcome": "referred"})).await;
        for (kind, id) in [("visit", &visit), ("assessment", &assessment), ("oversight", &entry)] {
            app.person("cas").put(&format!("/filing/{kind}/{id}"), json!({"reference": "ND-1"})).await.is_ok();
        }
        app.told_a_plan(&receiver).await;

        let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for got in receiver.taken() {
            let ids = got.event["data"].as_object().unwrap().keys().cloned();
            told.entry(got.kind().to_owned()).or_default().extend(ids);
        }
        let mut promised: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for offered in OFFERED {
            let chain = offered.name.split('.').next().filter(|chain| ["visit", "incident"].contains(chain));
            let ids = offered.ids.iter().copied().chain(chain).map(str::to_owned);
            promised.entry(offered.name.to_owned()).or_default().extend(ids);
        }
        assert_eq!(told, promised);
        // What is behind each can be asked for by the id that they were told.
        for got in receiver.taken() {
            for (what, id) in got.event["data"].as_object().unwrap() {
                if ["visit", "incident", "assessment", "case", "concern"].contains(&what.as_str()) {
                    let shown = app.person("una").get(&format!("/{what}s/{}", id.as_str().unwrap())).await;
                    assert_eq!(shown.is_ok().body["id"], *id, "{}", got.kind());
                }
                if what == "oversight" {
                    let shown = app.person("una").get(&format!("/oversight/{}", id.as_str().unwrap())).await;
                    assert_eq!(shown.is_ok().body["oversight"], *id, "{}", got.kind());
                }
            }
        }
        let of = |kind: &str| receiver.taken().into_iter().filter(|got| got.kind() == kind).map(|got| got.event["data"].clone()).collect::<Vec<_>>();
        assert_eq!(of("visit.exception_reviewed"), [json!({"visit": visit})]);
        assert_eq!(of("incident.reviewed"), [json!({"incident": incident})]);
        assert_eq!(of("oversight.recorded")[0]["id"], json!(assessment));
        assert_eq!(of("visit.started"), [json!({"visit": visit})], "begun as it was planned");
        assert_eq!(of("visit.completed").len(), 2, "one of them nobody had watched");
        app.finish().await;
    }
}
