//! Goal: messages arrive whole, in the order and by the choice documented, and waiting ends as it
//! should. Method: real queues; whoever waits is a process of its own, seen asleep before the next step.

use std::num::NonZeroU64;

use nix::sys::signal::Signal;
use sysv_ipc::{Errno, Error, ErrorKind, Limits, MessageQueue, Mode, Received, Select};

use common::{Owned, Peer, assert_fails, own, wait_until};

mod common;

const ONE: NonZeroU64 = NonZeroU64::MIN;

fn number(number: u64) -> NonZeroU64 {
    NonZeroU64::new(number).unwrap()
}

/// Makes a queue that holds one message of each type, its text a single letter.
fn queue_of(messages: &[(u64, u8)]) -> Owned<MessageQueue> {
    let queue = common::queue();
    for &(message_type, letter) in messages {
        queue.try_send(number(message_type), &[letter]).unwrap();
    }
    queue
}

/// Takes the chosen message and gives its letter.
fn letter(queue: MessageQueue, select: Select) -> char {
    let received = queue.try_receive(select, 1).unwrap();
    char::from(received.text[0])
}

#[test]
fn a_queue_is_made_once_and_found_by_its_key() {
    let key = common::key("a_queue_is_made_once_and_found_by_its_key");
    assert_fails(MessageQueue::open(key, Mode::OWNER), ErrorKind::NotFound);
    let queue = own(MessageQueue::create(key, Mode::OWNER).unwrap());
    assert_fails(
        MessageQueue::create(key, Mode::OWNER),
        ErrorKind::AlreadyExists,
    );
    assert_eq!(MessageQueue::open(key, Mode::OWNER), Ok(*queue));
    assert_eq!(MessageQueue::open_or_create(key, Mode::OWNER), Ok(*queue));
    assert_eq!(queue.stat().unwrap().permissions.key, key);
}

#[test]
fn open_or_create_makes_a_missing_queue() {
    let key = common::key("open_or_create_makes_a_missing_queue");
    let queue = own(MessageQueue::open_or_create(key, Mode::OWNER).unwrap());
    assert_eq!(MessageQueue::open(key, Mode::OWNER), Ok(*queue));
}

#[test]
fn messages_arrive_in_order_with_type_and_text() {
    let queue = common::queue();
    let largest = number(i64::MAX.cast_unsigned());
    queue.send(largest, b"first").unwrap();
    queue.send(ONE, b"").unwrap();
    queue.send(ONE, &[0, 255, 7]).unwrap();
    let received = |message_type| {
        let Received {
            message_type: found,
            text,
            ..
        } = queue.receive(Select::Any, 100).unwrap();
        assert_eq!(found, message_type);
        text
    };
    assert_eq!(received(largest.get()), b"first");
    assert_eq!(received(1), b"");
    assert_eq!(received(1), [0, 255, 7]);
    assert_fails(queue.try_receive(Select::Any, 100), ErrorKind::NoMessage);
}

#[test]
fn any_selects_the_oldest() {
    let queue = queue_of(&[(3, b'a'), (1, b'b'), (2, b'c')]);
    let order = [(); 3].map(|()| letter(*queue, Select::default()));
    assert_eq!(order, ['a', 'b', 'c']);
}

#[test]
fn type_selects_the_oldest_of_it() {
    let queue = queue_of(&[(1, b'a'), (2, b'b'), (2, b'c')]);
    let second = Select::Type(number(2));
    assert_eq!([letter(*queue, second), letter(*queue, second)], ['b', 'c']);
    assert_fails(queue.try_receive(second, 1), ErrorKind::NoMessage);
}

#[test]
fn except_selects_the_oldest_of_the_others() {
    let queue = queue_of(&[(2, b'a'), (1, b'b'), (3, b'c')]);
    let others = Select::Except(number(2));
    assert_eq!([letter(*queue, others), letter(*queue, others)], ['b', 'c']);
    assert_fails(queue.try_receive(others, 1), ErrorKind::NoMessage);
}

#[test]
fn at_most_selects_the_lowest_type() {
    let queue = queue_of(&[(9, b'a'), (3, b'b'), (1, b'c'), (3, b'd')]);
    let low = Select::AtMost(number(3));
    let order = [(); 3].map(|()| letter(*queue, low));
    assert_eq!(order, ['c', 'b', 'd']);
    assert_fails(queue.try_receive(low, 1), ErrorKind::NoMessage);
}

#[test]
fn an_empty_queue_has_no_message() {
    let error = common::queue().try_receive(Select::Any, 1).unwrap_err();
    assert_eq!(
        (error.kind(), error.errno()),
        (ErrorKind::NoMessage, Errno::ENOMSG)
    );
}

#[test]
fn a_message_longer_than_the_space_stays() {
    let queue = common::queue();
    queue.send(ONE, b"four").unwrap();
    let error = queue.receive(Select::Any, 3).unwrap_err();
    assert_eq!(
        (error.kind(), error.errno()),
        (ErrorKind::MessageTooLong, Errno::E2BIG)
    );
    assert_eq!(queue.stat().unwrap().messages, 1);
    assert_eq!(queue.receive(Select::Any, 4).unwrap().text, b"four");
}

#[test]
fn a_space_that_there_is_not_is_refused() {
    let queue = queue_of(&[(1, b'a')]);
    for limit in [usize::MAX, isize::MAX.cast_unsigned()] {
        assert_fails(queue.receive(Select::Any, limit), ErrorKind::OutOfMemory);
    }
    assert_eq!(letter(*queue, Select::Any), 'a');
}

#[test]
fn receive_truncated_cuts_and_drops_the_rest() {
    let queue = common::queue();
    queue.send(number(7), b"four").unwrap();
    let received = queue.receive_truncated(Select::Any, 3).unwrap();
    assert_eq!((received.message_type, received.text), (7, b"fou".to_vec()));
    assert_eq!(queue.stat().unwrap().messages, 0);
}

#[test]
fn a_full_queue_takes_no_further_message() {
    let queue = common::queue();
    queue.set_bytes_limit(10).unwrap();
    queue.try_send(ONE, &[0; 6]).unwrap();
    let error = queue.try_send(ONE, &[0; 6]).unwrap_err();
    assert_eq!(
        (error.kind(), error.errno()),
        (ErrorKind::WouldBlock, Errno::EAGAIN)
    );
    queue.try_send(ONE, &[0; 4]).unwrap();
    let stat = queue.stat().unwrap();
    assert_eq!((stat.messages, stat.bytes, stat.bytes_limit), (2, 10, 10));
}

#[test]
fn a_type_that_c_cannot_hold_is_refused() {
    let queue = common::queue();
    for result in [
        queue.send(number(1 << 63), b""),
        queue.try_send(NonZeroU64::MAX, b""),
    ] {
        assert_eq!(result.unwrap_err().errno(), Errno::EINVAL);
    }
    let wide = Select::Type(NonZeroU64::MAX);
    assert_eq!(
        queue.try_receive(wide, 1).unwrap_err().errno(),
        Errno::EINVAL
    );
    assert_eq!(queue.stat().unwrap().messages, 0);
}

#[test]
fn a_text_above_the_limit_is_refused() {
    let most = usize::try_from(Limits::read().unwrap().message_bytes).unwrap();
    if most > 1 << 24 {
        return common::skip("the machine allows longer messages than are worth trying");
    }
    let error = common::queue()
        .try_send(ONE, &vec![0; most + 1])
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.errno()),
        (ErrorKind::Removed, Errno::EINVAL)
    );
}

#[test]
fn stat_tells_who_sent_and_received() {
    let queue = common::queue();
    let this = std::process::id().cast_signed();
    let new = queue.stat().unwrap();
    assert_eq!(
        (new.messages, new.bytes, new.permissions.mode),
        (0, 0, Mode::OWNER)
    );
    assert_eq!((new.sender_pid, new.receiver_pid), (0, 0));
    assert_eq!((new.sent_at_s, new.received_at_s), (0, 0));
    assert!(new.changed_at_s > 0);
    assert_eq!(new.bytes_limit, Limits::read().unwrap().queue_bytes);

    queue.send(ONE, b"hello").unwrap();
    let sent = queue.stat().unwrap();
    assert_eq!((sent.messages, sent.bytes, sent.sender_pid), (1, 5, this));
    assert_eq!((sent.receiver_pid, sent.received_at_s), (0, 0));
    assert!(sent.sent_at_s >= new.changed_at_s);

    let child = Peer::start("receive hello", queue.id());
    let pid = child.pid();
    child.finish();
    let received = queue.stat().unwrap();
    assert_eq!(
        (received.messages, received.bytes, received.receiver_pid),
        (0, 0, pid)
    );
    assert!(received.received_at_s >= sent.sent_at_s);
}

#[test]
fn a_receiver_waits_for_its_message() {
    let queue = common::queue();
    let mut child = Peer::start("receive hello", queue.id());
    child.wait_until_asleep();
    queue.send(ONE, b"hello").unwrap();
    child.finish();
}

#[test]
fn a_sender_waits_for_room() {
    let queue = common::queue();
    queue.set_bytes_limit(5).unwrap();
    queue.send(ONE, b"first").unwrap();
    let mut child = Peer::start("send hello", queue.id());
    child.wait_until_asleep();
    assert_eq!(queue.stat().unwrap().messages, 1);
    assert_eq!(queue.receive(Select::Any, 5).unwrap().text, b"first");
    assert_eq!(queue.receive(Select::Any, 5).unwrap().text, b"hello");
    child.finish();
}

#[test]
fn a_stop_does_not_end_the_wait() {
    let queue = common::queue();
    let mut child = Peer::start("receive hello", queue.id());
    let thread = child.wait_until_asleep();
    child.signal(Signal::SIGSTOP);
    wait_until("the child stops", || common::state_of(&thread) == Some('T'));
    child.signal(Signal::SIGCONT);
    wait_until("the child sleeps again", || {
        common::state_of(&thread) == Some('S')
    });
    queue.send(ONE, b"hello").unwrap();
    child.finish();
}

#[test]
fn a_removal_wakes_a_receiver() {
    let queue = common::queue();
    let mut child = Peer::start("receive and see the removal", queue.id());
    child.wait_until_asleep();
    queue.remove().unwrap();
    child.finish();
}

#[test]
fn a_removal_wakes_a_sender() {
    let queue = common::queue();
    queue.set_bytes_limit(5).unwrap();
    queue.send(ONE, b"first").unwrap();
    let mut child = Peer::start("send and see the removal", queue.id());
    child.wait_until_asleep();
    queue.remove().unwrap();
    child.finish();
}

/// Every call on an existing queue, by name.
fn every_call(queue: MessageQueue) -> [(&'static str, Result<(), Error>); 8] {
    [
        ("send", queue.send(ONE, b"")),
        ("try_send", queue.try_send(ONE, b"")),
        ("receive", queue.receive(Select::Any, 1).map(drop)),
        ("try_receive", queue.try_receive(Select::Any, 1).map(drop)),
        (
            "receive_truncated",
            queue.receive_truncated(Select::Any, 1).map(drop),
        ),
        ("stat", queue.stat().map(drop)),
        ("set_bytes_limit", queue.set_bytes_limit(1)),
        ("remove", queue.remove()),
    ]
}

#[test]
fn a_removed_queue_fails_in_every_call() {
    let queue = *common::queue();
    for (call, result) in every_call(queue) {
        let error = result.expect_err(call);
        assert_eq!(
            (error.kind(), error.errno()),
            (ErrorKind::Removed, Errno::EINVAL),
            "{call}"
        );
    }
}

/// Checks the errno as well: a sleeping process is told EIDRM, where a later one gets EINVAL.
fn assert_sees_removal(result: Result<(), Error>) {
    let error = result.unwrap_err();
    assert_eq!(
        (error.kind(), error.errno()),
        (ErrorKind::Removed, Errno::EIDRM)
    );
}

#[test]
#[ignore = "a child's part, which other tests start"]
fn child() {
    let Some((part, argument)) = common::part() else {
        return;
    };
    let queue = MessageQueue::from_id(common::id(&argument));
    common::say_ready();
    match part.as_str() {
        "receive hello" => assert_eq!(queue.receive(Select::Any, 5).unwrap().text, b"hello"),
        "send hello" => queue.send(ONE, b"hello").unwrap(),
        "receive and see the removal" => {
            assert_sees_removal(queue.receive(Select::Any, 5).map(drop));
        }
        "send and see the removal" => assert_sees_removal(queue.send(ONE, b"hello")),
        other => panic!("unknown part {other:?}"),
    }
}
