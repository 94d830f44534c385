"""For how long nobody led, or more than one, and which messages count."""

from interrex.core.ids import WorkerName
from interrex.lab.record import Mail, Record

A, B, C = WorkerName("a"), WorkerName("b"), WorkerName("c")


def a_mail(sent: int, depth: int = 1) -> Mail:
    return Mail(A, B, b"", sent, depth)


def test_the_time_without_a_leader_is_counted_from_the_beginning_of_the_record() -> None:
    record = Record()
    record.begin(100)
    record.lead(130, A, leads=True)
    record.lead(150, A, leads=False)
    record.close(155)
    assert (record.without, record.double, record.windows) == (35, 0, 0)


def test_a_window_lasts_while_more_than_one_leads() -> None:
    record = Record()
    record.lead(0, A, leads=True)
    record.begin(10)
    record.lead(20, B, leads=True)
    record.lead(25, C, leads=True)
    record.lead(30, A, leads=False)
    record.lead(50, C, leads=False)
    record.lead(60, C, leads=True)
    record.close(61)
    assert (record.without, record.double, record.windows) == (0, 31, 2)


def test_two_who_led_before_the_record_began_are_a_window_of_it() -> None:
    record = Record()
    record.lead(0, A, leads=True)
    record.lead(0, B, leads=True)
    record.begin(10)
    record.close(15)
    assert (record.windows, record.double) == (1, 5)


def test_saying_again_that_somebody_leads_changes_nothing() -> None:
    record = Record()
    record.lead(0, A, leads=True)
    record.begin(1)
    record.lead(2, A, leads=True)
    record.lead(3, B, leads=False)
    record.close(4)
    assert (record.without, record.double, record.windows) == (0, 0, 0)


def test_a_message_from_before_the_record_began_has_no_depth() -> None:
    record = Record()
    early = record.sent(a_mail(1, depth=7))
    record.begin(2)
    late = record.sent(a_mail(3, depth=2))
    assert record.arrived(early, 4) == 0
    assert record.arrived(late, 5) == 2
    assert [mail.arrived for mail in record.mails] == [5]
