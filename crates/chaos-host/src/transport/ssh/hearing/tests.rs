//! Answers that come in pieces of all sizes, in every order, and not at all.

use russh::ChannelMsg::{Close, Eof, ExitStatus};

use super::*;

const BEGIN: &str = "\nchaos-1-begin\n";
const END: &str = "\nchaos-1-end 0\n";
const END_OF_ERRORS: &str = "\nchaos-1-end\n";

fn out(text: &str) -> ChannelMsg {
    ChannelMsg::Data { data: text.as_bytes().to_vec().into() }
}

fn err(text: &str) -> ChannelMsg {
    ChannelMsg::ExtendedData { data: text.as_bytes().to_vec().into(), ext: STDERR }
}

fn status(exit_status: u32) -> ChannelMsg {
    ExitStatus { exit_status }
}

/// Returns the name of the end, what was written until then, and whether it was begun. Behind the last message comes nothing
/// more, unless `is_cut`.
fn heard(messages: Vec<ChannelMsg>, is_cut: bool) -> (String, String, bool) {
    let marks = frame::marks("chaos-1");
    let mut heard = Heard::new(&marks, 1000);
    let messages = messages.into_iter().map(Some).chain(is_cut.then_some(None));
    let mut end = None;
    for message in messages {
        assert!(end.is_none(), "more came behind the end");
        end = heard.take(message).expect("little output");
    }
    let has_begun = heard.has_begun;
    let end = match end {
        Some(end) => end,
        None if heard.until().is_some() => heard.silent(),
        None => return ("waits".to_owned(), String::new(), has_begun),
    };
    let name = format!("{end:?}");
    let name = name.split('(').next().unwrap_or_default().to_owned();
    let (End::Answered(raw) | End::Ended(raw) | End::Silent(raw) | End::Closed(raw) | End::Cut(raw)) = end
    else {
        return (name, String::new(), has_begun);
    };
    (name, String::from_utf8_lossy(&raw.stdout).into_owned(), has_begun)
}

#[test]
fn an_answer_in_pieces_of_any_size_is_whole() {
    let answer = format!("{BEGIN}one\nchaos-1-en two{END}");
    for size in 1..=answer.len() {
        let mut messages = vec![err(BEGIN), err(END_OF_ERRORS)];
        let pieces = answer.as_bytes().chunks(size);
        messages.extend(pieces.map(|piece| out(std::str::from_utf8(piece).expect("ASCII"))));
        assert_eq!(heard(messages, false), ("Answered".to_owned(), answer.clone(), true), "pieces of {size}");
    }
}

#[test]
fn both_end_marks_make_an_answer_in_either_order_and_nothing_less() {
    let whole = format!("{BEGIN}x{END}");
    let errors = format!("{BEGIN}{END_OF_ERRORS}");
    let table = [
        (vec![out(&whole), err(&errors)], "Answered"),
        (vec![err(&errors), out(&whole)], "Answered"),
        (vec![out(&whole)], "Silent"),
        (vec![out(&whole), err(BEGIN)], "Silent"),
        (vec![err(&errors)], "waits"),
        (vec![out(whole.trim_end()), err(&errors)], "waits"),
        (vec![out("noise"), out(BEGIN)], "waits"),
    ];
    for (messages, expected) in table {
        let name = format!("{messages:?}");
        assert_eq!(heard(messages, false).0, expected, "{name}");
    }
}

#[test]
fn a_shell_that_has_ended_does_not_wait_although_it_has_answered() {
    let whole = format!("{BEGIN}x{END}");
    let table = [
        (vec![status(0), out(&whole), err(END_OF_ERRORS)], "Silent"),
        (vec![out(&whole), Eof, err(END_OF_ERRORS)], "Ended"),
        (vec![out(&whole), status(0), Eof, Close], "Ended"),
    ];
    for (messages, expected) in table {
        let name = format!("{messages:?}");
        assert_eq!(heard(messages, false).0, expected, "{name}");
    }
}

#[test]
fn only_an_end_in_good_order_says_that_nothing_more_comes() {
    let table = [
        (vec![status(137)], false, "Silent", false),
        (vec![status(137), Eof], false, "Ended", false),
        (vec![status(137), Close], false, "Ended", false),
        (vec![Close], false, "Closed", false),
        (vec![Eof], false, "waits", false),
        (vec![], true, "Cut", false),
        (vec![status(137)], true, "Cut", false),
        (vec![status(137), Eof], true, "Ended", false),
        (vec![out(BEGIN)], true, "Cut", true),
        (vec![err(BEGIN), Close], false, "Closed", true),
        (vec![ChannelMsg::Failure], false, "Refused", false),
    ];
    for (messages, is_cut, expected, has_begun) in table {
        let name = format!("{messages:?}");
        let (end, _, was_begun) = heard(messages, is_cut);
        assert_eq!((end.as_str(), was_begun), (expected, has_begun), "{name}");
    }
}
