//! What people mean by their texts (rows S1, S2, S3, S5): a table of spellings by meaning, what holds for every text, and
//! every seed of the fuzz target.

mod invariants;

use chrono::{NaiveTime, TimeDelta};
use homeward::domain::{
    agreement::{Answer, Changed},
    command::{
        CarrierWord, Code, Command, Going, Longer, Plan, Rehearsed, Until, Why, parse,
        words::{LISTED, Needs, Word},
    },
    local_time::ClockTime,
    measures::Kept,
    pin::Pin,
};
use proptest::prelude::*;

fn pin(digits: &str) -> Option<Pin> {
    (!digits.is_empty()).then(|| Pin::parse(digits).unwrap())
}

fn code(written: &str) -> Option<Code> {
    (!written.is_empty()).then(|| Code::parse(written).unwrap())
}

fn minutes(n: i64) -> TimeDelta {
    TimeDelta::minutes(n)
}

fn at(hour: u32, minute: u32) -> NaiveTime {
    NaiveTime::from_hms_opt(hour, minute, 0).unwrap()
}

fn going(departure: Until, place: &str) -> Command {
    let place = (!place.is_empty()).then(|| place.to_owned());
    Command::In(Going { departure, plan: Plan::AsDescribed, case_reference: None, place })
}

fn after(n: i64) -> Until {
    Until::After(minutes(n))
}

fn until(hour: u32, minute: u32) -> Until {
    Until::At(ClockTime::Sure(at(hour, minute)))
}

fn out(digits: &str, words: &str) -> Command {
    Command::Out { pin: pin(digits), words: words.into() }
}

fn fine(digits: &str, words: &str) -> Command {
    Command::Fine { pin: pin(digits), words: words.into() }
}

fn longer(by: Longer, digits: &str, words: &str) -> Command {
    Command::More { by, pin: pin(digits), words: words.into() }
}

fn sos(words: &str) -> Command {
    Command::Sos { words: words.into() }
}

/// All of these, parted by bars, mean that.
fn mean(expected: &Command, texts: &str) {
    for text in texts.split(" | ") {
        means(expected, text);
    }
}

/// This means that.
fn means(expected: &Command, text: &str) {
    assert_eq!(parse(text), *expected, "“{text}”");
}

/// All of these call for help, whatever words are kept of them.
fn call(texts: &str) {
    for text in texts.split(" | ") {
        assert!(matches!(parse(text), Command::Sos { .. }), "“{text}”: {:?}", parse(text));
    }
}

#[test]
fn going_in() {
    mean(&going(Until::Missing, ""), "IN | in |  In.  | “in” | I'm in | I am in | Going in | Arrived! | i n");
    mean(
        &going(after(60), ""),
        "IN 60 | in 60 | IN60 | IN 60 MIN | IN 60mins | IN, 60! | IN 1h | IN 1 HOUR | IN an hour | \
         IN for 60 | IN for an hour | I'm in, 60 min | INN 60 | IM 60 | N 60 | I 60 | IIN 60 | \
         1N 60 | NI 60 | START 60 | ＩＮ　６０ | IN 6️⃣0️⃣",
    );
    mean(&going(after(90), ""), "IN 1h30 | IN 1h30m | IN 1 hr 30 min | IN 1.5 hours | IN 90 | in1h30");
    mean(&going(after(0), ""), "IN 0 | IN 0 min");
    mean(&going(after(10_000), ""), "IN 10000 | IN 10,000 | IN 10000 minutes");
    mean(&going(after(1_000_000), ""), "IN 99999999999999999999 | IN 99999999999999999999 hours");
    mean(&going(after(30), ""), "IN half an hour | IN 30");
}

#[test]
fn going_in_until_a_time() {
    mean(
        &going(until(15, 0), ""),
        "IN UNTIL 15:00 | IN till 15:00 | IN TIL 15.00 | IN 15:00 | IN 15.00 | IN until 1500 | \
         IN UNTIL 3PM | IN till 3 pm | IN 3pm | IN till 3:00 pm | IN UNTIL 15 | IN back by 15:00 | \
         IN out at 1500 | IN by 15:00 | IN to 15:00 | IN UNTIL 15;00",
    );
    mean(&going(until(3, 0), ""), "IN UNTIL 03:00 | IN until 0300 | IN until 3 am");
    mean(&going(until(12, 0), ""), "IN till noon | IN until 12pm");
    // Morning or afternoon is not said: whichever comes first, and only if that is near.
    let half_past_three = Until::At(ClockTime::EitherHalf(at(3, 30)));
    mean(&going(half_past_three, ""), "IN UNTIL 3:30 | IN 3:30 | IN till 330");
    mean(
        &going(Until::At(ClockTime::EitherHalf(at(3, 0))), ""),
        "IN UNTIL 3 | IN till 3 o'clock | IN out by 3",
    );
    // Four bare digits may be a time, and may be a PIN that nobody asked for.
    mean(&going(Until::At(ClockTime::Unsure(at(15, 0))), ""), "IN 1500 | IN1500");
    mean(&going(after(4821), ""), "IN 4821");
}

#[test]
fn going_in_at_no_time_that_can_be_read() {
    let odd = |said: &str| going(Until::Odd(said.into()), "");
    mean(&odd("half 3"), "IN half 3 | IN until half 3");
    mean(&odd("half past 3"), "IN till half past 3");
    mean(&odd("quarter to 4"), "IN until quarter to 4");
    mean(&odd("25:00"), "IN UNTIL 25:00");
    mean(&odd("later"), "IN until later");
    mean(&odd("****"), "IN UNTIL 4821");
    mean(&odd(""), "IN UNTIL | IN until?");
    mean(&odd("60 UNTIL 15:00"), "IN 60 UNTIL 15:00");
    mean(&going(Until::Odd("tea".into()), "12 High St"), "IN until tea 12 High St");
}

#[test]
fn going_in_somewhere() {
    mean(&going(until(15, 0), "12 HIGH ST"), "IN UNTIL 15:00 12 HIGH ST | IN 12 HIGH ST UNTIL 15:00");
    mean(
        &going(after(60), "12 High St"),
        "IN 60 12 High St | IN 60 at 12 High St | in 60: 12 High St! | IN 12 High St for 60 min",
    );
    mean(&going(after(45), "Flat 2, St. Mary's"), "IN 45 Flat 2, St. Mary's | IN 45 min Flat 2, St. Mary's");
    mean(&going(after(45), "Smith family"), "IN 45 Smith family");
    // Minutes or a house? The words are those of a street: the default, and ask.
    mean(&going(Until::Missing, "12 HIGH ST"), "IN 12 HIGH ST | IN 12 HIGH ST,");
    mean(&going(Until::Missing, "45 St Mary's Rd"), "IN 45 St Mary's Rd");
    mean(&going(Until::Missing, "12A High St"), "IN 12A High St");
    mean(&going(Until::Missing, "12-14 High St"), "IN 12-14 High St");
    mean(
        &going(Until::Missing, "Flat 3, 12 The Grove"),
        "IN Flat 3, 12 The Grove | IN at Flat 3, 12 The Grove",
    );
    // What looks like a PIN is not kept in a place.
    mean(&going(after(60), ""), "IN 60 4821 | IN 60 ４８２１");
    mean(&going(after(60), "**** 12 High St"), "IN 60 4821 12 High St");

    let next = |departure| {
        let plan = Plan::Next;
        Command::In(Going { departure, plan, case_reference: None, place: None })
    };
    mean(&next(after(45)), "IN 45 NEXT | in next 45 min | IN 45 min next");
    mean(&next(Until::Missing), "IN NEXT | in next!");
    mean(&next(until(15, 0)), "IN UNTIL 15:00 NEXT | IN NEXT until 15:00");
    mean(&going(after(45), "next to the church"), "IN 45 next to the church");
    mean(&going(Until::Missing, "next door"), "IN next door");

    let case = |departure, place: &str| {
        let place = (!place.is_empty()).then(|| place.to_owned());
        let case_reference = Some("A123456".to_owned());
        Command::In(Going { departure, plan: Plan::AsDescribed, case_reference, place })
    };
    mean(&case(after(60), ""), "IN 60 A123456 | in a123456 60 min | IN 60 (A123456) | START 60 A123456");
    mean(&case(after(60), "12 High St"), "IN 60 A123456 12 High St | IN 60 12 High St A123456");
    mean(&case(Until::Missing, ""), "IN A123456");
    mean(&going(after(60), "A****"), "IN 60 A12345 | IN 60 A1234567");
}

#[test]
fn coming_out() {
    mean(
        &out("4821", ""),
        "OUT 4821 | out 4821 | Out. 4821. | OUT4821 | OUT, 4821! |   out\n4821  | “OUT” 4821 | \
         'out' 4821 | OUT:4821 | OUT 👍 4821 | OUT pin 4821 | OUT PIN: 4821 | OUT pin4821 | \
         o u t 4821 | ＯＵＴ ４８２１ | OUT ٤٨٢١ | OUT 4️⃣8️⃣2️⃣1️⃣ | OUT\u{a0}4821 | OUT 48 21 | \
         OUT 4 8 2 1 | OUT 48-21 | DONE 4821 | done 4821 | HOME 4821 | Home. 4821 | LEFT 4821 | \
         left 4821 | out\u{200b} 4821\u{feff} | OUT now 4821 | Out of there, 4821 | \
         OUT at 15:00 4821 | OUT at 1500 4821",
    );
    mean(&out("48210000", ""), "OUT 48210000");
    mean(&out("4821", "cheers Sam"), "OUT 4821 cheers Sam | OUT 4821, cheers Sam | HOME 48 21 cheers Sam");
    mean(&out("4821", "**** back"), "OUT 4821 1234 back");
    mean(&out("4821", "Ann Lee\nWestshire"), "OUT 4821\n--\nAnn Lee\nWestshire");
    mean(&out("4821", "Sent from my iPhone"), "OUT 4821\nSent from my iPhone");
    mean(&out("", ""), "OUT | out! | Home… | DONE | Left.");
    mean(&out("", "482"), "OUT 482");
    mean(&out("", "of battery"), "OUT of battery");
    mean(&out("", ""), "OUT 123456789");
}

#[test]
fn being_fine() {
    mean(
        &fine("4821", ""),
        "OK 4821 | ok 4821 | Ok. 4821 | OK4821 | O.K. 4821 | o k 4821 | okay 4821 | OKAY 4821 | \
         FINE 4821 | fine, 4821 | OK 👌 4821 | ОК 4821 | OK 48 21 | OK I'm fine 4821 | \
         OK all safe here 4821 | OK, pin 4821",
    );
    mean(&fine("4821", "no problem"), "OK 4821 no problem | OK 4821, no problem");
    mean(&fine("4821", "not long now"), "OK 4821 not long now");
    mean(&fine("", ""), "OK | ok! | Okay. | fine | 👌 ok");
    mean(&fine("", "no problem"), "OK no problem");
}

#[test]
fn needing_longer() {
    let by = |n| Longer::For(minutes(n));
    mean(
        &longer(by(30), "4821", ""),
        "MORE 30 4821 | more 30 4821 | MORE30 4821 | More: 30, 4821 | MORE 30 min 4821 | \
         MORE 30mins 4821 | MORE half an hour 4821 | LATE 30 4821 | late 30 mins 4821 | \
         EXTEND 30 4821 | Extend by 30 4821 | MORE for 30 pin 4821 | \
         MORE another 30 min please 4821 | more ３０ ４８２１",
    );
    mean(&longer(by(30), "4821", "30"), "MORE 4821 30 | LATE 4821 30 | more 4821, 30");
    mean(&longer(by(60), "4821", ""), "MORE 1h 4821 | MORE 60 4821 | more 1 hour 4821 | MORE an hour 4821");
    mean(&longer(by(90), "4821", ""), "MORE 1h30 4821");
    mean(&longer(by(30), "", "30"), "MORE 30 | late 30");
    mean(&longer(by(30), "4821", "cheers Sam"), "MORE 30 4821 cheers Sam");
    mean(&longer(Longer::Missing, "4821", ""), "MORE 4821 | late 4821 | MORE4821");
    mean(&longer(Longer::Missing, "", ""), "MORE | Late! | extend");
    let clock = |hour, minute| Longer::Until(ClockTime::Sure(at(hour, minute)));
    mean(
        &longer(clock(15, 30), "4821", ""),
        "MORE UNTIL 15:30 4821 | more till 15.30 4821 | MORE 15:30 4821 | EXTEND TO 15:30 4821 | \
         EXTEND to 1530 4821 | LATE till 3:30pm 4821 | MORE UNTIL 1530 4821",
    );
    // Nothing is guessed.
    mean(&longer(Longer::Odd, "4821", ""), "MORE 30 60 4821 | MORE 3 0 4821 | MORE 30 until 15:00 4821");
    mean(&longer(Longer::Odd, "4821", ""), "MORE until later 4821 | MORE UNTIL 4821");
    mean(&longer(Longer::Odd, "", ""), "MORE 1530 1600 | MORE 1530 4821");
    mean(&longer(Longer::Odd, "", ""), "MORE 30 48 21");
}

#[test]
fn calling_for_help() {
    mean(
        &sos(""),
        "SOS | sos | S.O.S | S O S | s.o.s.! | SOSS | SSOS | SOOOS | SSSOOOSSS | S0S | SSO | OSS | \
         SOA | SPS | SO S | 🆘 | HELP | help! | Help me | HELP ME!! | helpme | HEEELP | hlep | HLP | \
         HELPP | HE LP | 999 | 112 | 911 | POLICE | polcie | Police! | EMERGENCY | emergancy | \
         AMBULANCE | mayday | ＳＯＳ | ｈｅｌｐ",
    );
    mean(
        &sos("he has locked the door"),
        "SOS he has locked the door | sos, he has locked the door | HELP he has locked the door",
    );
    mean(&sos("12 High St ****"), "SOS 12 High St 4821");
    mean(&sos("ring her on 07700900123"), "HELP ring her on 07700900123");
    // Below a text it counts too, and what stands at the top is no signature.
    call(
        "Sent from my neighbour's phone, help me he has a knife | --\nHELP ME | IN 60\n--\nHELP | OUT 4821\nSent from my iPhone SOS",
    );
    mean(
        &out("4821", "Surrey Police\nIn an emergency ring 999"),
        "OUT 4821\n--\nSurrey Police\nIn an emergency ring 999",
    );
    call(
        "please help | I need help now | can you send police | there is a knife | he attacked me | \
         call 999 please | I'm in danger | IN TROUBLE | IN DANGER | im in trouble | \
         IN 60 12 High St HELP | IN 60 SOS | IN need help | OUT 4821 SOS | OK 4821 help | OK HELP | \
         MORE 30 4821 call 999 | STATUS help | STOP HELP | STOP he has a knife | CONCERN SOS | \
         CONCERN help me | ACK help | START HELP | no help | helpmeplease | \
         TEST is not what this is, help",
    );
}

#[test]
fn not_being_fine_is_a_call_for_help() {
    call(
        "NOT OK | not ok | I'm not OK | Im not ok 4821 | I am not safe | I’m not safe | not safe | \
         NOT SAFE | isnt fine | isn't fine | It is not fine here | NOT FINE | not fine 4821 | \
         NOT OKAY | unsafe | NOTSAFE | notok | N0T OK | nto ok | never safe | I don't feel safe | \
         dont think im ok | no longer safe | no ok | OK? NO | OK not | OK not 4821 | OK 4821 not | \
         FINE NOT | SAFE? No. | OK 4821 but not safe to go back | OUT 4821 not ok | \
         MORE 30 4821 not safe | IN 60 12 High St not safe | STATUS not ok | CONCERN I am not safe | \
         SAFE not | NOT SAFE HERE | NOT SAFE THEY ARE BACK | can't say I'm safe | N O T  O K",
    );
    // And these are not.
    mean(&fine("4821", ""), "OK no problem 4821");
    mean(&Command::Cannot { code: None }, "No, I'm fine | no im ok | No all fine");
    let concern = |words: &str| Command::Concern { words: words.into() };
    mean(&concern("the child is not safe at home"), "CONCERN the child is not safe at home");
}

#[test]
fn objecting() {
    mean(
        &Command::Object,
        "OBJECT | object! | I object | NOT OUT | not out | I'm not out | I am not out yet | \
         not out 4821 | STILL IN | still in | I'm still in | Still inside | still here | STILLIN | \
         notout | haven't left | not left | not home | OUT not yet | OUT? Not yet 4821 | \
         not yet out | we are still in",
    );
}

#[test]
fn asking() {
    mean(&Command::Status, "STATUS | status? | Status. | STAUS | STATU | STATUSS | s t a t u s");
    mean(&Command::Who, "WHO | who? | Who has it");
    let test = |what| Command::Test { what };
    mean(&test(Rehearsed::Begin), "TEST | test.");
    mean(&test(Rehearsed::In), "TEST IN 60 | test in 60 12 High St | Test in");
    mean(&test(Rehearsed::Sos), "TEST SOS | test: SOS | TEST 999 | TEST HELP!");
    let out = |pin: Option<&str>, words: &str| {
        test(Rehearsed::Out { pin: pin.map(|pin| Pin::parse(pin).unwrap()), words: words.into() })
    };
    mean(&out(Some("4821"), ""), "TEST OUT 4821 | test out 48 21 | TEST OUT4821 | Test: out, 4821");
    mean(&out(Some("4821"), "cheers Sam"), "TEST OUT 4821 cheers Sam");
    mean(&out(None, ""), "TEST OUT");
    mean(&test(Rehearsed::Other), "TEST MORE 30 4821 | TEST message | test ok 4821");
    // One word more than the two is no rehearsal, nor is anything that is not begun with TEST.
    call(
        "SOS TEST | SOS TEST SOS | TEST SOS SOS | TEST SOS HELP | TEST SOS help me | TEST OUT 4821 help | TEST IN 60 help me | \
         TEST he has a knife | TEST NOT OK | TEST im not safe | TESTING SOS | TEST TEST SOS",
    );
    let concern = |words: &str| Command::Concern { words: words.into() };
    mean(
        &concern("new dog, not chained"),
        "CONCERN new dog, not chained | Concern: new dog, not chained | \
         CONCERNS new dog, not chained | concen new dog, not chained",
    );
    mean(&concern(""), "CONCERN");
}

#[test]
fn speaking_of_an_agreement() {
    let decide = |answer, code: Option<&str>, words: &str| Command::Decide {
        answer,
        code: code.map(|code| Code::parse(code).unwrap()),
        words: words.into(),
    };
    mean(&decide(Answer::Agree, Some("K7QF"), ""), "AGREE K7QF | agree k7qf! | Agree: K7 QF. | AGREEK7QF");
    mean(
        &decide(Answer::Agree, Some("K7QF"), "ring first"),
        "AGREE K7QF ring first | agree k7qf, ring first",
    );
    mean(&decide(Answer::Agree, None, ""), "AGREE");
    mean(
        &decide(Answer::Refuse, Some("K7QF"), "it is not safe for one"),
        "REFUSE K7QF it is not safe for one | refuse k7qf: it is not safe for one",
    );
    mean(&decide(Answer::Ask, Some("K7QF"), "who goes along?"), "QUESTION K7QF who goes along?");
    let changes = |changed, words: &str| Command::Changes { changed, words: words.into() };
    mean(&changes(Changed::No, ""), "UNCHANGED | unchanged. | Unchanged!");
    mean(&changes(Changed::Yes, "a new partner"), "CHANGED a new partner | Changed: a new partner");
    call("AGREE help | CHANGED SOS | UNCHANGED SOS | REFUSE help me | CHANGED help me");
}

#[test]
fn speaking_of_the_measures() {
    let measures = |kept, words: &str| Command::Measures { kept, words: words.into() };
    mean(
        &measures(Some(Kept::Yes), ""),
        "MEASURES OK | measures ok! | Measures: OK. | MEASURES O K | “Measures” okay | MEASURES YES | measures ok 4821",
    );
    mean(&measures(Some(Kept::No), ""), "MEASURES NO | measures no! | Measures. No.");
    mean(
        &measures(Some(Kept::No), "nobody has come"),
        "MEASURES NO nobody has come | MEASURES NO, nobody has come",
    );
    mean(&measures(Some(Kept::No), "not in place"), "MEASURES not in place | MEASURES: not in place");
    mean(&measures(Some(Kept::No), "NOT OK"), "MEASURES NOT OK");
    // That all is well is never guessed.
    mean(&measures(None, ""), "MEASURES | measures?");
    mean(&measures(None, "OKK"), "MEASURES OKK");
    mean(&measures(None, "fine"), "MEASURES fine");
    mean(&measures(None, "OK but not the key"), "MEASURES OK but not the key");
    mean(
        &Command::NotUnderstood(Why::Perhaps("MEASURES")),
        "MEASURE OK | MEASRUES OK | MESURES NO | MEASURES’S OK",
    );
    call(
        "MEASURES I am not ok | MEASURES NO we are not safe | MEASURES NO help | MEASURES SOS | MEASURES OK help me",
    );
}

/// One slip never makes "in place" of what is not.
#[test]
fn a_slip_makes_no_measure_be_in_place() {
    for text in
        ["MEASURES NO", "MEASURES NO the key", "MEASURES", "MEASURES NOT OK", "MEASURES OK not the key"]
    {
        for at in 0..text.len() {
            for slip in [
                Slip::Delete,
                Slip::Swap,
                Slip::Replace('K'),
                Slip::Insert('O'),
                Slip::Insert(' '),
                Slip::Replace(' '),
            ] {
                let written = slipped(text, at, slip);
                invariants::hold_for(&written);
                let said = parse(&written);
                assert!(
                    !matches!(said, Command::Measures { kept: Some(Kept::Yes), .. }),
                    "{written:?}: {said:?}"
                );
            }
        }
    }
}

#[test]
fn speaking_of_an_incident() {
    let k7qf = || code("K7QF");
    mean(
        &Command::Ack { code: k7qf() },
        "ACK K7QF | ack k7qf | Ack: K7QF. | ACKK7QF | ACK “K7QF” | ack K7 QF | ACK K-7-Q-F | \
         A.C.K K7QF | ACK please K7QF | ACK K7QF on my way | ACK K7QF I'll call him | ACK K7QF no problem | ＡＣＫ Ｋ７ＱＦ | ACK K7QF K7QF",
    );
    mean(
        &Command::Ack { code: None },
        "ACK | ack! | ACK K7Q | ACK KIQF | ACK THEY | ACK 4821 | ACK K7QF 7KAC",
    );
    // What denies takes nothing.
    mean(
        &Command::NotUnderstood(Why::Perhaps("ACK")),
        "ACK K7QF cannot come | ACK K7QF can't | ACK K7QF no | ack K7QF not me",
    );
    mean(
        &Command::AckAll { code: k7qf() },
        "ACK ALL K7QF | ack all k7qf | ACKALL K7QF | ACK ALLK7QF | ACKALLK7QF | ack all: K7 QF",
    );
    mean(&Command::AckAll { code: None }, "ACK ALL | ackall");
    mean(
        &Command::Cannot { code: k7qf() },
        "NO K7QF | no k7qf | NOK7QF | No, K7QF | NO K7QF sorry | NO K7QF it is not safe for me to go",
    );
    mean(&Command::Cannot { code: None }, "NO | no. | No thanks | NO K7Q");
    mean(&Command::Where { code: k7qf() }, "WHERE K7QF | where k7qf? | Where is K7QF | WHEREK7QF");
    mean(&Command::Where { code: None }, "WHERE | where?");
    let hold = |n: Option<i64>, reason: &str| Command::Hold {
        code: k7qf(),
        length: n.map(minutes),
        reason: reason.into(),
    };
    mean(
        &hold(Some(60), "on my way there"),
        "HOLD K7QF 60 on my way there | hold k7qf 60min on my way there | \
         HOLD 60 K7QF on my way there | HOLD K7QF 1h on my way there | HOLDK7QF 60: on my way there",
    );
    mean(&hold(None, ""), "HOLD K7QF");
    mean(&hold(None, "waiting for police"), "HOLD K7QF waiting for police");
    mean(&Command::Hold { code: None, length: Some(minutes(60)), reason: "x".into() }, "HOLD 60 x");
    let safe = |words: &str| Command::Safe { code: k7qf(), words: words.into() };
    mean(&safe(""), "SAFE K7QF | safe k7qf | SAFEK7QF | Safe: K7QF!");
    mean(&safe("spoke to her"), "SAFE K7QF spoke to her | SAFE K7QF, spoke to her");
    mean(&safe("police were there, no help needed"), "SAFE K7QF police were there, no help needed");
    mean(&Command::Safe { code: None, words: String::new() }, "SAFE");
    mean(&Command::Safe { code: None, words: String::new() }, "SAFE 4821");
    let not_safe = |words: &str| Command::NotSafe { code: code("K7QF").unwrap(), words: words.into() };
    mean(
        &not_safe(""),
        "NOT SAFE K7QF | not safe k7qf | NOT SAFE K7 QF | NOT OK K7QF | isn't safe K7QF | \
         unsafe K7QF | SAFE not K7QF",
    );
    mean(&not_safe("not"), "SAFE K7QF not");
    mean(&not_safe("she screamed"), "NOT SAFE K7QF she screamed");
    mean(
        &not_safe("she is not ok"),
        "SAFE K7QF she is not ok | ACK K7QF she is not ok | HOLD K7QF she is not ok",
    );
}

/// Row S1 and fault 21: whatever they are taken for, nobody stops being watched by one of these.
#[test]
fn words_of_phone_networks() {
    mean(
        &Command::CarrierWord(CarrierWord::OptsOut),
        "STOP | stop | Stop. | STOP! | “stop” | stop 🛑 | S T O P | s.t.o.p | STOP STOP | \
         Stop please | STOP TEXTING ME | stop sending these | STOPALL | STOP ALL | stop-all | \
         stopall. | UNSUBSCRIBE | Unsubscribe me | unsubscribe! | CANCEL | cancel | Cancel visit | \
         CANCEL 4821 | END | end | End. | END 4821 | end visit | END VISIT 4821 | QUIT | quit! | \
         Quit it | REVOKE | OPT OUT | OPTOUT | opt-out | ＳＴＯＰ | stop\u{a0} | \u{feff}STOP | STOP\n | \
           stop   | st\u{ad}op",
    );
    mean(
        &Command::CarrierWord(CarrierWord::OptsIn),
        "START | start | Start! | YES | yes | Yes. | Yes please | UNSTOP | un-stop",
    );
    mean(&Command::CarrierWord(CarrierWord::Info), "INFO | info | Info? | info please");
    for text in [
        "STPO",
        "STOOP",
        "STOPP",
        "ENDE",
        "QUITE",
        "stop by the office when you can today",
        "YES 4821",
        "yes I will",
    ] {
        assert!(matches!(parse(text), Command::NotUnderstood(_)), "{text}: {:?}", parse(text));
    }
}

#[test]
fn not_understood() {
    mean(&Command::NotUnderstood(Why::Empty), " |   | \n | ... | 👍 | ❤️ | ?! | \u{200b}");
    mean(
        &Command::NotUnderstood(Why::Perhaps("OUT")),
        "OUTT 4821 | OIT 4821 | UOT 4821 | OT 4821 | OU T 4821 | I am out 4821 | im home 4821 | \
         I am out of battery | 4821 OUT | HOEM 4821 | DON 4821 | arrived home",
    );
    mean(&Command::NotUnderstood(Why::Perhaps("OK")), "OKK 4821 | im ok 4821 | I am fine | all ok | K 4821");
    mean(
        &Command::NotUnderstood(Why::Perhaps("MORE")),
        "MOER 30 4821 | MOR 30 4821 | running late | I need more time | MO RE 30 4821",
    );
    mean(&Command::NotUnderstood(Why::Perhaps("ACK")), "AKC K7QF | ACC K7QF | K7QF ACK | A CK K7QF");
    mean(&Command::NotUnderstood(Why::Perhaps("HOLD")), "HODL K7QF 60 | held up");
    mean(&Command::NotUnderstood(Why::Perhaps("SAFE")), "SAEF K7QF | SAVE K7QF | she is safe K7QF");
    mean(
        &Command::NotUnderstood(Why::Unknown),
        "hello | Hello | thanks | 4821 | K7QF | pin 4821 | see you later | so sorry | \
         日本語 | اهلا",
    );
}

/// What people and phones put together, in any order.
fn mixed_text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => prop::sample::select(LISTED.iter().flat_map(|listed| listed.spellings).copied().collect::<Vec<_>>())
            .prop_map(str::to_owned),
        3 => "[0-9]{1,9}",
        2 => "[ACDEFGHJKMNPQRTUVWXY34679]{4}",
        1 => "[0-2]?[0-9][:.][0-5][0-9]",
        2 => prop::sample::select(vec![
            "not", "isn’t", "no", "until", "by", "at", "for", "half", "min", "h", "pm", "next", "all", "stop", "start",
            "yes", "high st", "i", "im", "police", "a123456", "４８２１", "٤٨٢١", "4️⃣8️⃣2️⃣1️⃣", "🆘", "ОК", "-- \n",
            "+447700900123", "07700 900123", "½", "\u{200b}", "ŉ", "ß",
        ])
        .prop_map(str::to_owned),
        1 => "\\PC{0,6}",
    ];
    let between = prop::sample::select(vec![
        "", " ", " ", " ", "\n", "-", ".", ",", ":", " - ", "\u{a0}", "'", "/", "*",
    ]);
    prop::collection::vec((part, between), 0..12)
        .prop_map(|parts| parts.into_iter().map(|(part, between)| part + between).collect())
}

proptest! {
    #[test]
    fn any_text_is_read(text in any::<String>()) {
        invariants::hold_for(&text);
    }

    #[test]
    fn any_words_are_read(text in mixed_text()) {
        invariants::hold_for(&text);
    }
}

#[test]
fn texts_of_any_length_are_read() {
    for part in [
        "OUT 4821 ",
        "S O S ",
        "1 ",
        "12 ",
        "a",
        "4",
        "NOT OK ",
        "IN 60 12 HIGH ST ",
        "\n--\n",
        "👍",
        "é",
        "K7QF ",
    ] {
        invariants::hold_for(&part.repeat(4000 / part.len() + 1));
    }
}

/// A text as it is taught, and where its parts stand.
#[derive(Debug, Clone)]
struct Taught {
    text: String,
    /// Where its PIN or code stands.
    secret: std::ops::Range<usize>,
    /// Where it says how long.
    length: std::ops::Range<usize>,
}

impl Taught {
    /// Fills in a pattern: `#` is the PIN or code, `@` the length.
    fn new(pattern: &str, secret: &str, length: &str) -> Self {
        let (mut text, mut parts) = (String::new(), [0..0, 0..0]);
        for c in pattern.chars() {
            let at = text.len();
            match c {
                '#' => text.push_str(secret),
                '@' => text.push_str(length),
                c => text.push(c),
            }
            match c {
                '#' => parts[0] = at..text.len(),
                '@' => parts[1] = at..text.len(),
                _ => {}
            }
        }
        let [secret, length] = parts;
        Self { text, secret, length }
    }
}

fn taught() -> impl Strategy<Value = Taught> {
    let pin = "[0-9]{4,8}";
    let code = "[ACDEFGHJKMNPQRTUVWXY34679]{4}".prop_filter("a code", |code| Code::parse(code).is_some());
    let spellings = |needs: Needs| {
        let words = LISTED.iter().filter(move |listed| listed.needs == needs);
        words
            .flat_map(|listed| listed.spellings.iter().map(|spelling| (listed.word, *spelling)))
            .collect::<Vec<_>>()
    };
    let length = prop_oneof!["[1-9][0-9]{0,2}", "[1-9][0-9] min", "UNTIL 1[3-9]:[0-5][0-9]"];
    let with_pin = (prop::sample::select(spellings(Needs::Pin)), pin, length, 0..3_usize, any::<bool>())
        .prop_map(|((word, spelling), pin, length, order, talks)| {
            let pattern = match (word, order) {
                (Word::More, 0) => "@ #",
                (Word::More, 1) => "# @",
                _ => "#",
            };
            let end = if talks { " cheers Sam" } else { "" };
            Taught::new(&format!("{spelling} {pattern}{end}"), &pin, &length)
        });
    let with_code = (prop::sample::select(spellings(Needs::Code)), code, 0..4_usize).prop_map(
        |((word, spelling), code, pattern)| {
            let pattern = match (word, pattern) {
                (Word::Ack, 0 | 1) => " ALL #",
                (Word::Hold, _) => " # @ on my way",
                (Word::Safe | Word::NotSafe, 0 | 1) => " # spoke to her",
                _ => " #",
            };
            Taught::new(&format!("{spelling}{pattern}"), &code, "60")
        },
    );
    prop_oneof![with_pin, with_code]
}

/// Whether it ends, lengthens or lowers something.
fn is_careful(command: &Command) -> bool {
    matches!(
        command,
        Command::Out { .. }
            | Command::Fine { .. }
            | Command::More { .. }
            | Command::Ack { .. }
            | Command::AckAll { .. }
            | Command::Hold { .. }
            | Command::Safe { .. }
    )
}

/// How much longer it asks for.
fn asks_for(command: &Command) -> Option<&Longer> {
    match command {
        Command::More { by, .. } => Some(by),
        _ => None,
    }
}

#[derive(Debug, Clone, Copy)]
enum Slip {
    Delete,
    Insert(char),
    Replace(char),
    Swap,
}

fn slip() -> impl Strategy<Value = Slip> {
    let key = prop_oneof![
        prop::char::range('A', 'Z'),
        prop::char::range('0', '9'),
        prop::sample::select(" .,:-/'!?\n".chars().collect::<Vec<_>>()),
    ];
    prop_oneof![
        Just(Slip::Delete),
        key.clone().prop_map(Slip::Insert),
        key.prop_map(Slip::Replace),
        Just(Slip::Swap)
    ]
}

/// The text with one slip of the thumb at `at`.
fn slipped(text: &str, at: usize, slip: Slip) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    match slip {
        Slip::Delete => drop(letters.remove(at)),
        Slip::Insert(c) => letters.insert(at, c),
        Slip::Replace(c) => letters[at] = c,
        Slip::Swap if at + 1 < letters.len() => letters.swap(at, at + 1),
        Slip::Swap => {}
    }
    letters.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(4000), ..ProptestConfig::default() })]

    /// Row S1: a slip only ever starts, raises or asks back. Whatever still ends, lengthens or lowers something is what was
    /// meant, by the PIN or code that was meant, unless the slip is in the very digits; and then it is the wrong PIN or code.
    #[test]
    fn a_slip_only_ever_starts_raises_or_asks_back(taught in taught(), at in any::<prop::sample::Index>(), slip in slip()) {
        let at = at.index(taught.text.len());
        let written = slipped(&taught.text, at, slip);
        let (meant, read) = (parse(&taught.text), parse(&written));
        // "MORE 999" is a call for help, not one for 999 minutes.
        prop_assume!(!matches!(meant, Command::Sos { .. }));
        let touches = |part: &std::ops::Range<usize>| !part.is_empty() && at + 2 >= part.start && at <= part.end;
        invariants::hold_for(&written);
        let (pin, code) = (invariants::pin(&read), invariants::code(&read));
        if !is_careful(&read) || pin.is_none() && code.is_none() {
            return Ok(()); // It starts, raises or asks back.
        }
        let case = format!("{written:?} for {:?}", taught.text);
        prop_assert_eq!(std::mem::discriminant(&read), std::mem::discriminant(&meant), "{}", case);
        if !touches(&taught.secret) {
            prop_assert!(pin.is_none() || pin == invariants::pin(&meant), "{case}");
            prop_assert!(code.is_none() || code == invariants::code(&meant), "{case}");
        }
        // Where no length was said, a digit too many says one.
        let accepted = pin.is_some() && pin == invariants::pin(&meant);
        if accepted && !taught.length.is_empty() && !touches(&taught.length) {
            let asks = matches!(asks_for(&read), Some(Longer::Missing | Longer::Odd));
            prop_assert!(asks || asks_for(&read) == asks_for(&meant), "{case}");
        }
    }
}

/// The seeds of the fuzz target, so that it cannot rot unseen.
#[test]
fn every_seed_of_the_fuzz_target_is_read() {
    let mut seeds = 0;
    for entry in std::fs::read_dir("fuzz/corpus/grammar").unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        invariants::hold_for(std::str::from_utf8(&bytes).unwrap());
        seeds += 1;
    }
    assert!(seeds >= 150, "{seeds} seeds");
}
