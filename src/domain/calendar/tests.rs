use chrono::{Days, Weekday::*};

use super::*;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn calendar(nation: Nation) -> Calendar {
    let office_days = vec![Mon, Tue, Wed, Thu, Fri];
    Calendar { holidays: BankHolidays::provided(), nation, office_days, closures: BTreeSet::new() }
}

/// The Sunday of Easter, by the rule of the Gregorian calendar (Meeus, Jones, Butcher).
fn easter(year: i32) -> NaiveDate {
    let (golden, century, rest) = (year % 19, year / 100, year % 100);
    let moon_correction = (century - (century + 8) / 25 + 1) / 3;
    let epact = (19 * golden + century - century / 4 - moon_correction + 15) % 30;
    let to_sunday = (32 + 2 * (century % 4) + 2 * (rest / 4) - epact - rest % 4) % 7;
    let late = (golden + 11 * epact + 22 * to_sunday) / 451;
    let n = epact + to_sunday - 7 * late + 114;
    let (month, day) = (u32::try_from(n / 31).unwrap(), u32::try_from(n % 31 + 1).unwrap());
    NaiveDate::from_ymd_opt(year, month, day).unwrap()
}

fn first_monday(year: i32, month: u32) -> NaiveDate {
    NaiveDate::from_weekday_of_month_opt(year, month, Mon, 1).unwrap()
}

fn last_monday(year: i32, month: u32) -> NaiveDate {
    let nth = |n| NaiveDate::from_weekday_of_month_opt(year, month, Mon, n);
    nth(5).or_else(|| nth(4)).unwrap()
}

/// Days that follow each other; one at a weekend is kept on the next working day that none of the others has.
fn with_substitutes(days: &[NaiveDate]) -> Vec<NaiveDate> {
    let weekend = |day: &NaiveDate| matches!(day.weekday(), Sat | Sun);
    let mut kept: Vec<_> = days.iter().copied().filter(|day| !weekend(day)).collect();
    for moved in days.iter().filter(|day| weekend(day)) {
        let mut next = *moved;
        while weekend(&next) || kept.contains(&next) {
            next = next.succ_opt().unwrap();
        }
        kept.push(next);
    }
    kept
}

/// What the law says of every year, and nothing of single ones.
fn by_rule(nation: Nation, year: i32) -> BTreeSet<NaiveDate> {
    let of = |month, day| NaiveDate::from_ymd_opt(year, month, day).unwrap();
    let scotland = nation == Nation::Scotland;
    let new_year = if scotland { vec![of(1, 1), of(1, 2)] } else { vec![of(1, 1)] };
    let mut days = with_substitutes(&new_year);
    days.extend(with_substitutes(&[of(12, 25), of(12, 26)]));
    days.extend([easter(year) - Days::new(2), first_monday(year, 5), last_monday(year, 5)]);
    days.push(if scotland { first_monday(year, 8) } else { last_monday(year, 8) });
    if scotland {
        days.extend(with_substitutes(&[of(11, 30)]));
    } else {
        days.push(easter(year) + Days::new(1));
    }
    if nation == Nation::NorthernIreland {
        days.extend(with_substitutes(&[of(3, 17)]));
        days.extend(with_substitutes(&[of(7, 12)]));
    }
    days.into_iter().collect()
}

#[test]
fn what_ships_is_what_the_rule_says_but_for_the_special_ones() {
    let holidays = BankHolidays::read(PROVIDED).unwrap();
    let (mut added, mut moved) = (Vec::new(), Vec::new());
    for nation in [Nation::EnglandAndWales, Nation::Scotland, Nation::NorthernIreland] {
        assert_eq!(holidays.years(nation).collect::<Vec<_>>(), (2021..=2028).collect::<Vec<_>>());
        for year in 2021..=2028 {
            let (written, rule) = (holidays.of_year(nation, year).unwrap(), by_rule(nation, year));
            added.extend(written.difference(&rule).map(|day| (nation, day.to_string())));
            moved.extend(rule.difference(written).map(|day| (nation, day.to_string())));
        }
    }
    let of_all =
        |nation| ["2022-06-02", "2022-06-03", "2022-09-19", "2023-05-08"].map(|day| (nation, day.to_owned()));
    let mut special = of_all(Nation::EnglandAndWales).to_vec();
    special.extend(of_all(Nation::Scotland));
    special.push((Nation::Scotland, "2026-06-15".into()));
    special.extend(of_all(Nation::NorthernIreland));
    assert_eq!(added, special);
    let spring = |nation| (nation, "2022-05-30".to_owned());
    let nations = [Nation::EnglandAndWales, Nation::Scotland, Nation::NorthernIreland];
    assert_eq!(moved, nations.map(spring), "moved to 2 June for the Jubilee");
}

#[test]
fn working_days_are_those_of_the_nation_and_of_the_office() {
    let works = |nation, text| calendar(nation).is_working_day(day(text));
    let (ew, ni, sc) = (Nation::EnglandAndWales, Nation::NorthernIreland, Nation::Scotland);
    for (nation, text, works_then) in [
        (ew, "2026-01-14", true),
        (ew, "2026-01-17", false),
        (ew, "2026-04-03", false),
        (ew, "2026-04-06", false),
        (sc, "2026-04-06", true),
        (ew, "2026-01-02", true),
        (sc, "2026-01-02", false),
        (sc, "2026-06-15", false),
        (ew, "2026-06-15", true),
        (ew, "2026-03-17", true),
        (ni, "2026-03-17", false),
        (ni, "2026-07-13", false),
        (ew, "2026-12-28", false),
        (ew, "2024-02-29", true),
        (ew, "2022-06-03", false),
        (ew, "2022-05-30", true),
    ] {
        assert_eq!(works(nation, text), Ok(works_then), "{nation:?} {text}");
    }
    let mut closed = calendar(ew);
    closed.closures.insert(day("2026-01-14"));
    assert_eq!(closed.is_working_day(day("2026-01-14")), Ok(false));
    closed.office_days.push(Sat);
    assert_eq!(closed.is_working_day(day("2026-01-17")), Ok(true));
    let missing = works(ew, "2031-01-14").unwrap_err();
    assert_eq!(missing.to_string(), "the bank holidays of 2031 in england_and_wales are not known");
}

#[test]
fn a_file_that_cannot_be_is_refused_with_its_line() {
    let head = "source = \"x\"\n[scotland]\n";
    for (text, line, says) in [
        ("2026 = [\"02-30\"]", 3, "“02-30” is no day"),
        ("2026 = [\"01-01\", \"01-01\"]", 3, "2026-01-01 stands twice"),
        ("2026 = [\"01-01\"]\n2027 = []", 4, "no bank holiday in 2027"),
        ("next = [\"01-01\"]", 3, "“next” is no year"),
        ("2026 = \"01-01\"", 3, "invalid type"),
        ("[wales]\n", 3, "unknown field"),
    ] {
        let wrong = BankHolidays::read(&format!("{head}{text}")).unwrap_err();
        assert!(wrong.line == line && wrong.why.contains(says), "{text}: {wrong}");
    }
}

#[test]
fn the_day_is_that_of_the_place_also_in_the_night_in_which_the_clocks_change() {
    for (at, expected) in [
        ("2026-03-28T23:30:00Z", "2026-03-28"),
        ("2026-03-29T00:30:00Z", "2026-03-29"),
        ("2026-06-30T23:30:00Z", "2026-07-01"),
        ("2026-10-24T23:30:00Z", "2026-10-25"),
        ("2026-10-25T23:30:00Z", "2026-10-25"),
        ("2026-12-31T23:59:59Z", "2026-12-31"),
    ] {
        assert_eq!(day_of(at.parse().unwrap(), chrono_tz::Europe::London), day(expected), "{at}");
    }
    assert_eq!(end_of_week(day("2026-01-14")), day("2026-01-18"));
    assert_eq!(end_of_week(day("2026-01-18")), day("2026-01-18"));
    assert_eq!(end_of_week(day("2026-12-31")), day("2027-01-03"));
}
