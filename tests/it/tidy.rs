//! What the code has to look like: the direction of the arrows, where SQL and the clock stand, what we depend on.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

/// Every source file under `src`, with its text.
fn sources() -> Vec<(PathBuf, String)> {
    let mut folders = vec![PathBuf::from("src")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
    }
    files
}

/// The room that a file belongs to: the first part of its path, or its own name.
fn room(path: &Path) -> String {
    let first = path.strip_prefix("src").unwrap().components().next().unwrap();
    Path::new(first.as_os_str()).file_stem().unwrap().to_str().unwrap().to_owned()
}

/// Which rooms each room may use. Everybody may use the clock, the configuration, keys, shutdown, telemetry
/// and what a process knows of itself.
fn arrows() -> BTreeMap<&'static str, &'static [&'static str]> {
    BTreeMap::from([
        ("domain", &[][..]),
        ("store", &["domain"][..]),
        ("providers", &["domain"][..]),
        ("app", &["domain", "store"][..]),
        ("timer", &["app", "store", "domain"][..]),
        ("outbox", &["app", "store", "providers", "domain"][..]),
        ("scheduler", &["app", "store"][..]),
        ("inbox", &["app", "store", "providers", "domain"][..]),
        ("event_webhooks", &["app", "store", "providers", "domain"][..]),
        ("http", &["app", "store", "domain", "inbox"][..]),
        ("outward", &["app", "store", "domain", "providers"][..]),
        ("demo", &["app", "store", "domain", "http", "providers", "startup"][..]),
        (
            "startup",
            &[
                "app",
                "store",
                "domain",
                "http",
                "timer",
                "outbox",
                "inbox",
                "event_webhooks",
                "scheduler",
                "outward",
                "providers",
            ][..],
        ),
        (
            "cli",
            &["app", "store", "domain", "http", "timer", "outbox", "outward", "providers", "startup", "demo"]
                [..],
        ),
        // What everybody may use, and what that needs itself.
        ("clock", &[][..]),
        ("config", &["domain", "store"][..]),
        ("keys", &["domain"][..]),
        ("kill_points", &[][..]),
        ("shutdown", &[][..]),
        ("systemd", &[][..]),
        ("telemetry", &[][..]),
        ("vitals", &[][..]),
    ])
}

const FOR_EVERYBODY: [&str; 8] =
    ["clock", "config", "keys", "kill_points", "shutdown", "systemd", "telemetry", "vitals"];

#[test]
fn data_goes_one_way() {
    let arrows = arrows();
    let rooms: BTreeSet<&str> = arrows.keys().copied().collect();
    for (path, text) in sources() {
        let here = room(&path);
        if here == "lib" || here == "main" {
            continue;
        }
        let Some(allowed) = arrows.get(here.as_str()) else {
            panic!("{}: which arrows may this room have?", path.display())
        };
        let mut used = BTreeSet::new();
        for prefix in ["crate::", "homeward::"] {
            for (at, _) in text.match_indices(prefix) {
                let rest = &text[at + prefix.len()..];
                let names = rest.strip_prefix('{').map_or_else(
                    || {
                        vec![
                            rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_owned(),
                        ]
                    },
                    first_names,
                );
                used.extend(names);
            }
        }
        for name in used.iter().filter(|name| rooms.contains(name.as_str()) && **name != here) {
            let fine = allowed.contains(&name.as_str()) || FOR_EVERYBODY.contains(&name.as_str());
            assert!(fine, "{} uses {name}: {here} may use {allowed:?}", path.display());
        }
    }
}

/// The first name of each branch of `{a::b, c::{d, e}}`, whose opening brace is gone.
fn first_names(group: &str) -> Vec<String> {
    let (mut depth, mut names, mut name, mut reading) = (0, Vec::new(), String::new(), true);
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(std::mem::take(&mut name));
                reading = true;
            }
            c if depth == 0 && reading && (c.is_alphanumeric() || c == '_') => name.push(c),
            ':' => reading = false,
            _ => {}
        }
    }
    names.push(name);
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn the_domain_is_pure() {
    for (path, text) in sources().into_iter().filter(|(path, _)| room(path) == "domain") {
        for word in ["async ", "tokio", "getrandom", "std::fs", "std::net", "println!"] {
            assert!(!text.contains(word), "{} has “{word}”", path.display());
        }
    }
}

#[test]
fn sql_stands_in_the_store_alone() {
    for (path, text) in sources().into_iter().filter(|(path, _)| room(path) != "store") {
        for word in ["sqlx::query", "INSERT INTO", "DELETE FROM", "SELECT "] {
            assert!(!text.contains(word), "{} has “{word}”", path.display());
        }
    }
}

/// No row is read or written without an organisation, except by functions that say so in their name, and by those that go
/// by an id which the caller has from a row of the right organisation.
#[test]
fn every_function_of_the_store_knows_its_organisation_or_says_that_it_does_not() {
    let by_an_id_of_ours = [
        "visits::set_due",
        "incidents::set_due",
        "pins::load",
        "pins::save",
        "pins::is_set",
        "people::code_of",
        "people::keep_code",
        "people::free_code",
        "people::incident_of_code",
        "people::called_about",
        "people::open_calls_of",
        "agreements::keep_code",
        "agreements::code_of",
        "agreements::of_code",
        "assessments::use_again",
        "messages::keep_listed",
        "messages::list_too",
        "installation::key_is_ours",
        "installation::last_round",
        "installation::round_done",
        "installation::time",
        "idempotency::claim",
        "idempotency::keep",
        "migrate::migrate",
    ];
    for (path, text) in sources().into_iter().filter(|(path, _)| room(path) == "store") {
        let file = path.file_stem().unwrap().to_str().unwrap();
        for (at, _) in text.match_indices("pub async fn ") {
            let rest = &text[at + "pub async fn ".len()..];
            let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
            let signature = &rest[..rest.find(" {\n").unwrap()];
            if !signature.contains("tx: &mut Tx") {
                continue;
            }
            let knows = [
                "OrganisationId",
                "&FollowUp",
                "&Chase",
                "&Entry",
                "&Asked",
                "&Drill",
                "&Visit",
                "&mut Visit",
                "&Incident",
                "&mut Incident",
                "&Directory",
                "&mut Agreement",
                "&Assessment",
                "&CaseFile",
                "ToCompute",
                "&Place",
            ];
            let says =
                name.ends_with("_any_org") || by_an_id_of_ours.contains(&format!("{file}::{name}").as_str());
            assert!(
                says || knows.iter().any(|knows| signature.contains(knows)),
                "{file}::{name} knows no organisation"
            );
        }
    }
}

/// Nothing that a log takes is a person's: no name, number, PIN or text.
#[test]
fn logs_hold_nothing_personal() {
    for (path, text) in sources() {
        for (at, _) in text.match_indices("tracing::") {
            let call = text[at..].split(';').next().unwrap();
            for word in ["phone", "address", "person", "pin", "body", "text", "place", "purpose"] {
                assert!(!call.contains(word), "{}: {call}", path.display());
            }
        }
    }
}

/// Kill points are for tests: a release must not have them. The file is compiled by itself, both ways.
#[test]
fn a_release_has_no_kill_points() {
    let folder = tempfile::tempdir().unwrap();
    let holds_them = |assertions: &str| {
        let out = folder.path().join(format!("kill_points_{assertions}.rlib"));
        let done = Command::new("rustc")
            .args([
                "--edition=2024",
                "--crate-type=rlib",
                "-O",
                "-C",
                &format!("debug-assertions={assertions}"),
                "-o",
            ])
            .arg(&out)
            .arg("src/kill_points.rs")
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let bytes = std::fs::read(out).unwrap();
        bytes.windows(b"kill point: ".len()).any(|window| window == b"kill point: ")
    };
    assert!(holds_them("on"), "the check itself would notice them");
    assert!(!holds_them("off"));
}

/// Licences that may be shipped with this program.
const LICENCES: [&str; 14] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Crates that are there in two versions, and who keeps the older one. Only what ends up in the program counts.
const DOUBLED: [(&str, &str); 12] = [
    ("base64", "sqlx 0.9"),
    ("block-buffer", "sqlx 0.9, by sha2"),
    ("cpufeatures", "sqlx 0.9, by sha2"),
    ("crypto-common", "sqlx 0.9, by sha2"),
    ("digest", "sqlx 0.9, by sha2"),
    ("embedded-io", "phonenumber 0.3, by postcard"),
    ("getrandom", "ring 0.17"),
    ("hashbrown", "sqlx 0.9, by hashlink"),
    ("nom", "phonenumber 0.3"),
    ("regex-syntax", "phonenumber 0.3, by regex-cache"),
    ("sha2", "sqlx 0.9"),
    ("syn", "derive macros: build time alone"),
];

#[test]
fn what_we_depend_on() {
    let metadata = cargo_metadata::MetadataCommand::new()
        .other_options([
            "--locked".to_owned(),
            "--offline".to_owned(),
            "--filter-platform=x86_64-unknown-linux-gnu".to_owned(),
        ])
        .exec()
        .unwrap();
    let resolve = metadata.resolve.as_ref().unwrap();
    let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let mut wanted = vec![resolve.root.as_ref().unwrap()];
    let mut shipped = BTreeSet::new();
    while let Some(id) = wanted.pop() {
        if !shipped.insert(id) {
            continue;
        }
        let normal = |dependency: &&cargo_metadata::NodeDep| {
            dependency.dep_kinds.iter().any(|kind| kind.kind == cargo_metadata::DependencyKind::Normal)
        };
        wanted.extend(nodes[id].deps.iter().filter(normal).map(|dependency| &dependency.pkg));
    }
    let mut versions: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for id in shipped {
        let package = &metadata[id];
        versions.entry(package.name.as_str()).or_default().insert(package.version.to_string());
        let licence = package.license.as_deref().unwrap_or("none");
        // "A OR B": one of them is enough. "A AND B": both are needed.
        let fine = licence
            .replace('/', " OR ")
            .replace(['(', ')'], "")
            .split(" OR ")
            .any(|one| one.split(" AND ").all(|part| LICENCES.contains(&part.trim())));
        assert!(fine, "{} is licensed as {licence}", package.name);
    }
    let doubled: BTreeSet<&str> =
        versions.iter().filter(|(_, versions)| versions.len() > 1).map(|(name, _)| *name).collect();
    let excused: BTreeSet<&str> = DOUBLED.iter().map(|(name, _)| *name).collect();
    assert_eq!(doubled, excused, "left: doubled now; right: written down with a reason");
}
