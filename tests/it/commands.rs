//! The command line, as the person types it who runs the service.

use std::{path::Path, process::Command};

use tempfile::TempDir;

use crate::support::{app::WESTSHIRE, on_both};

/// A folder with a configuration and an organisation's file, and the program to run in it.
struct Desk {
    folder: TempDir,
}

/// What came of a command.
struct Done {
    ok: bool,
    out: String,
    err: String,
}

impl Desk {
    fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("homeward.toml"), config).unwrap();
        std::fs::write(folder.path().join("organisation.toml"), WESTSHIRE).unwrap();
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn run(&self, words: &str) -> Done {
        self.run_with(words, &[])
    }

    fn run_with(&self, words: &str, environment: &[(&str, &str)]) -> Done {
        let done = Command::new(env!("CARGO_BIN_EXE_homeward"))
            .args(["--config", "homeward.toml"])
            .args(words.split_whitespace())
            .env_clear()
            .envs(environment.iter().copied())
            .current_dir(self.path())
            .output()
            .unwrap();
        Done {
            ok: done.status.success(),
            out: String::from_utf8(done.stdout).unwrap(),
            err: String::from_utf8(done.stderr).unwrap(),
        }
    }
}

const CAPTURE: &str =
    "sms = [{ name = \"texts\", kind = \"capture\" }]\nemail = [{ name = \"mails\", kind = \"capture\" }]\n";

impl Done {
    #[track_caller]
    fn fails_with(&self, words: &[&str]) {
        assert!(!self.ok, "{}", self.out);
        for word in words {
            assert!(
                self.err.contains(word) || self.out.contains(word),
                "“{word}” is not in: {}{}",
                self.err,
                self.out
            );
        }
    }

    #[track_caller]
    fn works(self) -> String {
        assert!(self.ok, "{}{}", self.out, self.err);
        self.out
    }
}

on_both! {
    async fn setting_up_an_organisation(db: TestDb) {
        let desk = Desk::new(&format!("{CAPTURE}[database]\nurl = \"{}\"\n", db.url));
        std::fs::write(desk.path().join("homeward.key"), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
        desk.run("check-config").works();
        desk.run("migrate").works();
        desk.run("token list").fails_with(&["there is no organisation yet", "homeward apply"]);

        // One bad line: nothing is applied, and the line is named.
        let bad = WESTSHIRE.replace("email = \"jo@example.org\"", "email = \"jo\"");
        let line = bad.lines().position(|line| line == "email = \"jo\"").unwrap() + 1;
        std::fs::write(desk.path().join("bad.toml"), bad).unwrap();
        desk.run("apply bad.toml").fails_with(&["nothing was applied", &format!("bad.toml:{line}:"), "is not a mail address"]);
        desk.run("token list").fails_with(&["there is no organisation yet"]);

        let applied = desk.run("apply organisation.toml").works();
        assert_eq!(applied.matches("token of ").count(), 6, "each person with an account, once: {applied}");
        assert!(!applied.contains("token of jo"), "an outside contact has no account");
        let again = desk.run("apply organisation.toml").works();
        assert!(!again.contains("token of ") && !again.contains("ladder for"), "{again}");

        let token = desk.run("token create ann --label phone --expires-in 720h").works();
        assert!(token.starts_with("hw_") && token.trim().len() == 67, "{token}");
        let list = desk.run("token list").works();
        let line = list.lines().find(|line| line.contains("phone")).unwrap();
        assert!(line.contains("  ann  phone") && !list.contains("hw_"), "{list}");
        let id = line.split_whitespace().next().unwrap();
        desk.run(&format!("token revoke {id}")).works();
        desk.run(&format!("token revoke {id}")).fails_with(&["there is no token with this id"]);
        desk.run("token create nobody").fails_with(&["nobody with the key"]);
        desk.run("token create jo").fails_with(&["outside contact"]);
        desk.run("token create ann --expires-in soon").fails_with(&["no length of time"]);

        let simulated = desk.run("simulate ladder ann --due 2026-12-25T21:40:00Z --rounds 5").works();
        insta::allow_duplicates! {
        insta::assert_snapshot!(simulated, @"
        Ann Lee is due out 21:40, normal risk; ladder version 1.
        21:30  reminder to Ann Lee
        21:40  reminder to Ann Lee
        21:50  step 1 round 1: Jo Lee (sms, email); Sam Cole (sms, email)
        21:55  step 2 round 1: Jo Lee (sms, email); Sam Cole (sms, email); Dee Park (sms, email)
        22:00  step 3 round 1: Jo Lee (sms, email); Sam Cole (sms, email); Dee Park (sms, email)
        22:05  step 4 round 1: Jo Lee (sms, email); Sam Cole (sms, email); Dee Park (sms, email); Una Hart (sms, email)
        22:10  step 4 round 2: Jo Lee (sms, email); Sam Cole (sms, email); Dee Park (sms, email); Una Hart (sms, email)
        … and so on every 5m until somebody takes it.
        ");
        }
        let high = desk.run("simulate ladder ann --risk high --due 2026-12-25T21:40:00Z --rounds 1").works();
        assert!(high.contains("21:37  reminder") && high.contains("21:40  step 1 round 1"), "{high}");

        let silent = desk.run("simulate ladder ann --kind duress --due 2026-12-25T21:40 --rounds 1").works();
        assert!(silent.contains("gives a silent alarm 21:40") && silent.contains("21:40  step 2 round 1: Sam Cole (sms, email); Dee Park"), "{silent}");
        assert!(!silent.contains("Jo Lee"), "{silent}");
        desk.run("simulate ladder ann --due tomorrow").fails_with(&["is no time"]);

        let covered = desk.run("coverage north --at 2026-12-25T21:40").works();
        insta::allow_duplicates! {
        insta::assert_snapshot!(covered, @"
        Ann Lee
          normal risk, ladder version 1
            after 10m, step 1: Jo Lee (sms, email)
            after 10m, step 1: Sam Cole (sms, email)
            after 15m, step 2: Dee Park (sms, email)
            after 25m, step 4: Una Hart (sms, email)
            GAP: not proved yet that messages arrive: Jo Lee, Sam Cole, Dee Park, Una Hart
          high risk, ladder version 1
            after 0s, step 1: Jo Lee (sms, email)
            after 0s, step 1: Sam Cole (sms, email)
            after 5m, step 2: Dee Park (sms, email)
            after 15m, step 4: Una Hart (sms, email)
            GAP: not proved yet that messages arrive: Jo Lee, Sam Cole, Dee Park, Una Hart
          GAP: has set no PIN: cannot end a visit alone
          GAP: not proved yet that messages arrive: Ann Lee
        gaps: 4; workers: 1
        ");
        }
        assert_eq!(desk.run("coverage --worker ann --at 2026-12-25T21:40").works(), covered);
        desk.run("coverage moon").fails_with(&["“moon” is no team"]);

        // Another key would make every PIN wrong: the service does not start with it.
        std::fs::write(desk.path().join("homeward.key"), "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA=").unwrap();
        desk.run("serve").fails_with(&["holds another key"]);
    }
}

#[test]
fn a_configuration_that_cannot_work_is_refused_with_the_keys_name() {
    let smtp = "name = \"mail\"\nkind = \"smtp\"\nhost = \"smtp.example.org\"\nport = 587\ntls = \"starttls\"\nfrom = \"alarm@example.org\"\n";
    for (config, words) in [
        ("[listen]\nadress = \"127.0.0.1:1\"\n".to_owned(), &["listen.adress"][..]),
        (format!("{CAPTURE}[outbox]\nlease = \"9s\"\n"), &["outbox.lease"]),
        (format!("[[email]]\n{smtp}timeout = \"40s\"\n"), &["outbox.lease"]),
        ("[[sms]]\nname = \"g\"\nkind = \"webhook\"\nurl = \"ftp://x\"\nsecret = \"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD\"\n".to_owned(), &["sms[0].url"]),
        ("[[sms]]\nname = \"g\"\nkind = \"webhook\"\nurl = \"https://x\"\nsecret = \"password\"\n".to_owned(), &["sms[0].secret"]),
        (format!("[[email]]\n{smtp}hat = 1\n"), &["email[0]", "hat"]),
        (format!("{CAPTURE}[database]\nurl = \"mysql://x\"\n"), &["database.url"]),
        (format!("{CAPTURE}[policy]\nownership = \"1m\"\n"), &["policy", "ownership"]),
        (String::new(), &["sms", "email"]),
    ] {
        let desk = Desk::new(&config);
        std::fs::write(desk.path().join("homeward.key"), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
        desk.run("serve").fails_with(words);
        desk.run("check-config").fails_with(words);
        assert!(!desk.path().join("homeward.db").exists(), "nothing was begun: {config}");
    }
    let desk = Desk::new(CAPTURE);
    desk.run_with("check-config", &[("HOMEWARD_LISTEN__ADRESS", "x")])
        .fails_with(&["HOMEWARD_LISTEN__ADRESS"]);
}

#[test]
fn a_first_start_says_what_is_missing() {
    let desk = Desk::new(CAPTURE);
    desk.run("serve").fails_with(&["secrets.server_key_file"]);
    std::fs::write(desk.path().join("homeward.key"), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
    desk.run("serve").fails_with(&["homeward migrate"]);
    desk.run("health --url http://127.0.0.1:9/readyz").fails_with(&["no answer"]);
    let help = desk.run("--help").works();
    for command in ["serve", "migrate", "check-config", "apply", "token", "simulate", "coverage"] {
        assert!(help.contains(command), "{help}");
    }
}

#[test]
fn migrate_makes_the_key_of_a_new_sqlite_database_once() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new(CAPTURE);
    assert!(desk.run("migrate").works().contains("made homeward.key"));
    let key = desk.path().join("homeward.key");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let before = std::fs::read(&key).unwrap();
    assert!(desk.run("migrate").works().contains("up to date"));
    assert_eq!(std::fs::read(&key).unwrap(), before);
}
