//! `kill -9` at each point of the path (F1, F2, F3).

use std::time::Duration;

use homeward::clock::stopwatch;

use super::{QUICK_LADDER, Site, accounted_for, add_workers, westshire};
use crate::support::{eventually, fake_sms, fake_smtp, on_both};

/// The lease, a round of the outbox and of the timer, the second step, and what a process needs to start.
const BACK_WITHIN: Duration = Duration::from_secs(18);
/// Two steps about one incident: Jo and Sam; Jo, Sam and Dee; by text and by mail.
const MOST_CALLS: usize = 10;

on_both! {
    async fn f01_killed_between_the_claim_and_the_provider(db: TestDb) {
        let site = Site::with_overdue(&db, &westshire(QUICK_LADDER), &["ann"]).await;
        let mut first = site.serve(Some("outbox.claimed"));
        first.wait_for_line("kill point: outbox.claimed").await;
        first.kill9().await;
        assert_eq!(site.world.taken(), [], "claimed and not handed over");

        let _second = site.serve(None);
        eventually(BACK_WITHIN, async || site.all_done(1).await).await;
        accounted_for(&site.app, &site.world.taken(), 0).await;
        assert_eq!(site.app.open_incidents().await, 1);
    }

    async fn f01_killed_while_the_provider_has_not_answered(db: TestDb) {
        let site = Site::with_overdue(&db, &westshire(QUICK_LADDER), &["ann"]).await;
        site.world.sms.usually(fake_sms::Answer::Hang);
        site.world.mail.usually(fake_smtp::Answer::Refuse(451));
        let mut first = site.serve(None);
        site.world.sms.wait_for(|ledger| !ledger.attempts.is_empty()).await;
        first.kill9().await;
        assert_eq!(site.world.taken(), []);
        site.world.sms.usually(fake_sms::Answer::Accept);
        site.world.mail.usually(fake_smtp::Answer::Accept);

        let _second = site.serve(None);
        eventually(BACK_WITHIN, async || site.all_done(1).await).await;
        accounted_for(&site.app, &site.world.taken(), 0).await;
    }

    async fn f01_killed_again_and_again_while_it_sends(db: TestDb) {
        const KILLS: usize = 6;
        const UNDER_WAY: usize = 3;
        let mut organisation = westshire(QUICK_LADDER);
        let workers = add_workers(&mut organisation, 0..12);
        let workers: Vec<&str> = workers.iter().map(String::as_str).collect();
        let mut site = Site::with_overdue(&db, &organisation, &workers).await;
        site.environment = site.environment.with("HOMEWARD_OUTBOX__AT_ONCE", UNDER_WAY.to_string());
        // Where each one is killed is drawn; the seed is said when it fails.
        let seed = u64::from(std::process::id());
        let mut draw = seed;
        let killing = stopwatch();
        for kill in 0..KILLS {
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let more = 1 + usize::try_from(draw >> 33).unwrap() % 7;
            let before = site.world.sms.ledger().attempts.len();
            let mut process = site.serve(None);
            site.world.sms.wait_for(|ledger| ledger.attempts.len() >= before + more).await;
            process.kill9().await;
            assert!(process.lines().iter().all(|line| !line.contains("panic")), "seed {seed}, kill {kill}");
        }
        // Within one lease no message comes to be sent again, so it can be cut short once at most.
        let most = if killing.elapsed() < Duration::from_secs(7) { 2 } else { 1 + KILLS };
        let _last = site.serve(None);
        eventually(BACK_WITHIN, async || site.all_done(workers.len()).await).await;
        let taken = site.world.taken();
        accounted_for(&site.app, &taken, taken.len()).await;
        let times = |id: &str| taken.iter().filter(|taken| taken.id == id).count();
        assert!(taken.iter().all(|taken| times(&taken.id) <= most), "seed {seed}: {taken:#?}");
        assert_eq!(site.app.open_incidents().await, workers.len());
    }

    async fn f02_killed_after_the_provider_took_it_and_before_that_was_kept(db: TestDb) {
        let site = Site::with_overdue(&db, &westshire(QUICK_LADDER), &["ann"]).await;
        let mut first = site.serve(Some("outbox.accepted"));
        first.wait_for_line("kill point: outbox.accepted").await;
        first.kill9().await;
        let before = site.world.taken();
        assert!(!before.is_empty() && before.len() <= MOST_CALLS, "{before:?}");

        let _second = site.serve(None);
        eventually(BACK_WITHIN, async || site.all_done(1).await).await;
        let taken = site.world.taken();
        // What was on its way to the mail server when the process died may be taken after we looked.
        let repeats = accounted_for(&site.app, &taken, MOST_CALLS).await;
        assert!(repeats >= before.len(), "what was not marked goes again: nobody can know better");
        let times = |id: &str| taken.iter().filter(|taken| taken.id == id).count();
        assert!(before.iter().all(|once| times(&once.id) == 2), "resent under the same reference: {taken:#?}");
        assert!(taken.iter().all(|taken| times(&taken.id) <= 2), "and only once: {taken:#?}");
    }

    async fn f03_killed_before_the_incident_is_committed(db: TestDb) {
        let site = Site::with_overdue(&db, &westshire(QUICK_LADDER), &["ann"]).await;
        let mut first = site.serve(Some("tick.decided"));
        first.wait_for_line("kill point: tick.decided").await;
        first.kill9().await;
        assert_eq!(site.app.said().await, [], "decided and not committed: nobody sees a half of it");

        let second = site.serve(None);
        second.wait_for_line("homeward serves on ").await;
        let took = stopwatch();
        site.world.sms.wait_for(|ledger| ledger.accepted.len() >= 2).await;
        assert!(took.elapsed() < Duration::from_secs(5), "{:?}", took.elapsed());
        eventually(BACK_WITHIN, async || site.all_done(1).await).await;
        accounted_for(&site.app, &site.world.taken(), 0).await;
        assert_eq!(site.app.open_incidents().await, 1);
    }

    async fn f03_killed_after_the_incident_is_committed(db: TestDb) {
        let site = Site::with_overdue(&db, &westshire(QUICK_LADDER), &["ann"]).await;
        let mut first = site.serve(Some("timer.ticked"));
        first.wait_for_line("kill point: timer.ticked").await;
        first.kill9().await;
        assert!(site.app.said().await.len() >= 4, "the incident and its messages are there together");
        assert_eq!(site.app.open_incidents().await, 1);

        let _second = site.serve(None);
        eventually(BACK_WITHIN, async || site.all_done(1).await).await;
        accounted_for(&site.app, &site.world.taken(), 4).await;
        assert_eq!(site.app.open_incidents().await, 1);
    }
}
