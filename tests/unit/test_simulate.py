"""The simulated feed: the same seed gives the same bytes, and its messages are what hl7apy calls messages."""

from itertools import islice, pairwise

import pytest
from hl7apy.parser import parse_message

from consumer.hl7.decoder import Decoder
from consumer.hl7.outcome import Outcome
from consumer.hl7.prefilter import Prefilter
from consumer.hl7.site import Site
from consumer.replay import Replay
from consumer.simulate import Sent, live, ward
from rules.alert import Change, Rule
from rules.events import HOUR, MINUTE, Source
from rules.rulebook import DEFAULT

START = 1_767_276_600_000  # 2026-01-01 14:10 UTC
SOURCE = Source("ward", 0, 0)


@pytest.fixture(scope="module")
def feed() -> list[Sent]:
    """The first messages of a small ward."""
    return list(islice(ward(1, 40, START), 2_500))


def test_the_same_seed_gives_the_same_bytes(feed: list[Sent]) -> None:
    """And another seed gives another ward."""
    assert list(islice(ward(1, 40, START), 2_500)) == feed
    assert list(islice(ward(2, 40, START), 2_500)) != feed


def test_times_are_strictly_rising(feed: list[Sent]) -> None:
    """A topic sorted by record time and a file in this order are one feed."""
    assert all(earlier.at < later.at for earlier, later in pairwise(feed))


def test_nine_in_ten_hold_nothing_for_us_and_none_is_rejected(feed: list[Sent]) -> None:
    """The mix of a real feed; every message of ours can be read."""
    site = Site.default()
    decoder, prefilter = Decoder(site), Prefilter(site)
    ours = [one for one in feed if prefilter(one.raw)]
    assert 0.05 < len(ours) / len(feed) < 0.2
    for one in ours:
        decoded = decoder.decode(one.raw, received_at=one.at, source=SOURCE)
        assert decoded.outcome is Outcome.JUDGED
        assert {event.patient.key for event in decoded.events} == {one.key}


def test_hl7apy_takes_every_kind_of_message(feed: list[Sent]) -> None:
    """The templates hold to the standard's structures."""
    kinds = {one.raw.split(b"|")[8] + bytes(str(one.raw.count(b"OBX")), "ascii"): one for one in feed}
    assert len(kinds) > 4
    for one in kinds.values():
        message = parse_message(one.raw.decode(), find_groups=False)
        assert message.msh.msh_10.value == one.raw.decode().split("|")[9]


def test_a_demo_of_45_seconds_shows_what_it_has_to(feed: list[Sent]) -> None:
    """Both alerts of the mission, an escalation, a resolution, a retraction within 13 hours of the ward."""
    machine = Replay(DEFAULT, Site.default())
    first = [(one.raw, SOURCE) for one in feed if one.at < START + 13 * HOUR]
    seen = {(judged.transition.rule, judged.transition.change) for judged in machine.run(first, START + 13 * HOUR)}
    changes = {change for _, change in seen}
    assert {Change.RAISED, Change.ESCALATED, Change.RESOLVED, Change.RETRACTED} <= changes
    assert (Rule.REFRACTORY_HYPERKALEMIA, Change.RAISED) in seen
    assert (Rule.POST_INFUSION_HYPERMAGNESEMIA, Change.RAISED) in seen


def test_the_model_of_the_live_feed_is_what_the_rules_say() -> None:
    """Each pattern raises what it says, at once, fresh, and nothing else is raised."""
    sent = [write(START + n * 5) for n, write in enumerate(live(3, 6_000, every=80))]
    machine = Replay(DEFAULT, Site.default())
    expected = [(one.key, rule) for one in sent for rule in one.raises]
    raised = []
    for number, one in enumerate(sent):
        for transition, _ in machine.play(one.raw, Source("live", 0, number)).judged:
            raised.append((transition.patient.key, transition.rule))
            assert transition.received_at == one.at
            assert not transition.stale
    assert raised == expected
    assert len(expected) >= 35
    assert not machine.finish(START + 14 * MINUTE).judged
