"""What the guard decides on evidence."""

import json
from dataclasses import replace

import pytest

from rollout.guard import Evidence, GuardDecision, Side, judge
from rollout.rule import GuardRule, next_share

RULE = GuardRule(gated=True)
SHADOW = Evidence(pairs=200, differing=10)
CANARY = replace(
    SHADOW, share=0.05, minutes=10, champion=Side(9_500), challenger=Side(500), workers=2
)
LAST = replace(CANARY, share=0.5, champion=Side(5000), challenger=Side(5000))
MOVED = (
    "the challenger gets 5% of the requests: 200 images were compared in the shadow, without "
    "evidence of harm"
)
PROMOTED = (
    "promoted: of 32 images where the two disagreed, the challenger was right on 27, and the "
    "champion on 4"
)
WAITING = (
    "labels do not show a gain yet: of 11, the challenger was right on 6, the champion on 5; 30 "
    "were asked for"
)


def decided(seen: Evidence, rule: GuardRule = RULE) -> tuple[str, float | None, str]:
    decision = judge(seen, rule)
    return decision.what, decision.share, decision.because


def test_the_budget_is_the_sum_of_all_tests_and_stages() -> None:
    stages = 4
    spent = RULE.gain + RULE.harm + stages * (RULE.failures + RULE.slow)
    assert spent == pytest.approx(RULE.alpha)


def test_a_shadow_needs_its_pairs() -> None:
    stays = decided(replace(SHADOW, pairs=199))
    assert stays == ("stay", None, "199 of 200 images were compared")
    assert decided(SHADOW) == ("next stage", 0.05, MOVED)


def test_the_canary_grows_share_by_share() -> None:
    assert decided(CANARY)[:2] == ("next stage", 0.25)
    assert decided(replace(CANARY, share=0.25))[:2] == ("next stage", 0.5)
    assert next_share(0.5) is None


def test_a_share_takes_its_requests_and_its_time() -> None:
    few = decided(replace(CANARY, challenger=Side(499)))
    assert few[2] == "the challenger got 499 of 500 requests with its share of 5%"
    assert decided(replace(CANARY, minutes=9))[2] == "9 of 10 minutes of this stage are over"


@pytest.mark.parametrize("share", [0, 0.05, 0.5])
def test_labels_that_show_harm_roll_it_back_in_any_stage(share: float) -> None:
    seen = replace(CANARY, share=share, losses=27, wins=4)
    assert decided(seen) == (
        "roll back",
        None,
        "rolled back: of 31 images where the two disagreed, the champion was right on 27",
    )


def test_labels_that_show_a_gain_promote_it_after_the_last_stage() -> None:
    gain = replace(LAST, wins=27, losses=4, neither=1)
    assert decided(gain) == ("promote", None, PROMOTED)
    assert decided(replace(gain, share=0.05))[:2] == ("next stage", 0.25)


def test_without_a_gain_it_waits_for_labels() -> None:
    seen = replace(LAST, wins=6, losses=5, asked=30)
    assert decided(seen) == ("stay", None, WAITING)


def test_if_so_set_enough_without_harm_promotes_it() -> None:
    rule = replace(RULE, enough_pairs=1000, enough_labels=40)
    seen = replace(LAST, pairs=1000, wins=21, losses=19)
    assert decided(seen, rule)[2] == (
        "promoted: 1,000 images were compared and 40 disagreements labelled, without evidence of "
        "harm"
    )
    assert decided(replace(seen, pairs=999), rule)[0] == "stay"
    assert decided(replace(seen, wins=20), rule)[0] == "stay"


def test_failures_of_the_challenger_roll_it_back() -> None:
    seen = replace(CANARY, challenger=Side(100, failed=5), champion=Side(1900))
    assert decided(seen)[::2] == (
        "roll back",
        "rolled back: the challenger failed on 5 of 100 requests, the champion on 0 of 1,900",
    )


def test_failures_that_both_have_do_not() -> None:
    seen = replace(CANARY, challenger=Side(500, failed=5), champion=Side(9_500, failed=95))
    assert decided(seen)[0] == "next stage"


def test_a_share_that_repeated_ids_made_larger_is_no_failure() -> None:
    """Half of the requests instead of 5 %, and so half of the failures."""
    seen = replace(CANARY, challenger=Side(5000, failed=20), champion=Side(5000, failed=20))
    assert decided(seen)[0] == "next stage"


def test_failures_in_the_shadow_roll_it_back() -> None:
    seen = replace(SHADOW, challenger=Side(200, failed=10), champion=Side(2000))
    assert decided(seen)[0] == "roll back"


def test_a_slow_challenger_is_rolled_back() -> None:
    seen = replace(
        CANARY, usual=0.0025, challenger=Side(100, slow=100), champion=Side(1900, slow=60)
    )
    assert decided(seen)[2] == (
        "rolled back: the challenger took longer than 2.5 ms for 100 of 100 requests, the champion "
        "for 60 of 1,900"
    )


def test_a_little_slower_is_no_harm() -> None:
    seen = replace(
        CANARY, usual=0.0025, challenger=Side(1000, slow=60), champion=Side(19_000, slow=800)
    )
    assert decided(seen)[0] == "next stage"


def test_what_the_gate_could_not_tell_needs_labels_before_the_canary() -> None:
    rule = replace(RULE, gated=False)
    assert decided(replace(SHADOW, asked=9), rule)[2] == (
        "0 of 20 disagreements have a label, and the gate did not pass it; 9 were asked for"
    )
    assert decided(replace(SHADOW, wins=10, losses=9, neither=1), rule)[1] == 0.05


def test_two_that_hardly_ever_disagree_need_no_labels() -> None:
    rule = replace(RULE, gated=False)
    assert decided(replace(SHADOW, pairs=200, differing=1), rule)[0] == "stay"
    assert decided(replace(SHADOW, pairs=3000, differing=3), rule)[1] == 0.05


def test_if_many_answers_change_labels_have_to_show_a_gain() -> None:
    seen = replace(SHADOW, differing=180)
    assert decided(seen)[2] == (
        "90% of the answers change, more than 30%, so labels have to show a gain first"
    )
    assert decided(replace(seen, wins=20))[1] == 0.05
    assert decided(replace(seen, losses=20))[0] == "roll back"


def test_a_stage_waits_for_every_worker() -> None:
    for seen in (replace(SHADOW, workers=3), replace(LAST, wins=30)):
        decision = decided(replace(seen, workers=3, lacking=2))
        assert decision == ("stay", None, "2 of 3 workers do not have the challenger yet")


def test_harm_waits_for_no_worker() -> None:
    assert decided(replace(CANARY, losses=20, workers=3, lacking=2))[0] == "roll back"


def test_one_that_servers_no_longer_ask_is_rolled_back() -> None:
    seen = replace(CANARY, challenger=Side(40, 0, 12), stopped=41)
    assert decided(seen) == (
        "roll back",
        None,
        (
            "rolled back: servers no longer ask it, since it failed or was late too often: of 81 "
            "requests of its share, the champion answered 41"
        ),
    )
    assert decided(replace(seen, stopped=40))[0] == "stay"


def test_one_that_no_worker_can_load_is_given_up() -> None:
    seen = Evidence(workers=2, lacking=2, minutes=4.9)
    assert decided(seen)[0] == "stay"
    assert decided(replace(seen, minutes=5.0)) == (
        "give up",
        None,
        "given up: none of the 2 workers could load it within 5 minutes; their logs say why",
    )
    assert decided(replace(seen, minutes=5.0, lacking=1))[0] == "stay"


def test_a_rollout_that_nothing_decides_is_given_up() -> None:
    seen = replace(LAST, days=14)
    assert decided(seen)[2] == "given up: nothing was decided within 14 days"


def test_a_decision_has_every_number_and_threshold() -> None:
    decision: GuardDecision = judge(replace(CANARY, wins=5, losses=2), RULE)
    numbers = json.loads(json.dumps(decision.numbers, allow_nan=False))
    tests = {test["name"]: test for test in numbers["tests"]}
    assert tests.keys() == {"gain", "harm", "failures", "slow", "alike"}
    assert tests["gain"]["needed"] == pytest.approx(40)
    assert (tests["gain"]["successes"], tests["gain"]["failures"]) == (5, 2)
    assert numbers["rule"]["alpha"] == 0.05
    assert numbers["evidence"]["challenger"] == {"requests": 500, "failed": 0, "slow": 0}


def test_nothing_seen_decides_nothing() -> None:
    assert decided(Evidence())[0] == "stay"
