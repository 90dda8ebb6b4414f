"""Is a policy read as it is meant, and refused with its place where it is not?"""

from pathlib import Path

import pytest
from pydantic import ValidationError

from features.errors import WrongInput
from matcher.policy import Policy, read_policy


def written(folder: Path, text: str) -> Path:
    file = folder / "policy.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_without_a_file_the_defaults_hold_and_take_nothing_from_the_best() -> None:
    policy = read_policy(None)
    assert policy == Policy()
    assert policy.home_platform == "kuaishou"
    assert policy.rate_lock_days == 0
    assert policy.plan_precedence == (
        "exclusive",
        "leader_exclusive",
        "target_item",
        "target_shop",
        "leader",
        "open",
    )
    assert (policy.lists.brand_cap, policy.lists.newcomer_share, policy.lists.small_anchor_share) == (0, 0, 0)


def test_what_the_file_names_is_changed_and_the_rest_stays(tmp_path: Path) -> None:
    policy = read_policy(
        written(tmp_path, "rate_lock_days = 30\n[lists]\nbrand_cap = 3\nnewcomer_share = 0.1\n")
    )
    assert (policy.rate_lock_days, policy.lists.brand_cap, policy.lists.newcomer_share) == (30, 3, 0.1)
    assert policy.lists.small_anchor_share == 0
    assert policy.plan_precedence == Policy().plan_precedence


def test_the_version_is_of_what_is_decided_and_not_of_its_spelling(tmp_path: Path) -> None:
    spelt_out = read_policy(
        written(tmp_path, '# ours\nhome_platform = "kuaishou"\nlists = {brand_cap = 0}\n')
    )
    assert spelt_out.version == Policy().version
    assert len(spelt_out.version) == 12
    assert Policy(rate_lock_days=1).version != Policy().version
    assert Policy(plan_precedence=tuple(reversed(Policy().plan_precedence))).version != Policy().version


def test_a_policy_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Policy().rate_lock_days = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "rate_lock_days = 30\nrate_lock_dayz = 3\n",
            "line 2, rate_lock_dayz: no such key; known are home_platform, ",
        ),
        (
            "[lists]\n\nbrand_kap = 3\n",
            "line 3, lists.brand_kap: no such key; known are brand_cap, newcomer_share",
        ),
        ("\nrate_lock_days = -1\n", "line 2, rate_lock_days: Input should be greater than or equal to 0"),
        ('rate_lock_days = "30"\n', "line 1, rate_lock_days: Input should be a valid integer"),
        ("rate_lock_days = true\n", "line 1, rate_lock_days: Input should be a valid integer"),
        (
            "[lists]\nnewcomer_share = 1.01\n",
            "line 2, lists.newcomer_share: Input should be less than or equal to 1",
        ),
        ("[lists]\nnewcomer_share = nan\n", "line 2, lists.newcomer_share: "),
        ("lists = {brand_cap = -1}\n", "line 1, lists.brand_cap: Input should be greater"),
        ("lists.brand_cap = -1\n", "line 1, lists.brand_cap: Input should be greater"),
        ("lists = 3\n", "line 1, lists: "),
        ('home_platform = ""\n', "line 1, home_platform: String should have at least 1 character"),
        (
            '\nplan_precedence = ["open"]\n',
            "line 2, plan_precedence: plan_precedence has to name each of open, ",
        ),
        ('plan_precedence = ["open", "closed"]\n', "line 1, plan_precedence.1: Input should be 'open', "),
        ("rate_lock_days = \n", "is not TOML: Invalid value (at line 1, column 18)"),
    ],
)
def test_a_wrong_policy_is_refused_with_its_line_and_key(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(WrongInput) as refusal:
        read_policy(written(tmp_path, text))
    assert complaint in str(refusal.value)


def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match=r"line 1, a: .*; line 2, b: "):
        read_policy(written(tmp_path, "a = 1\nb = 2\n"))


def test_a_policy_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match="cannot be read: No such file"):
        read_policy(tmp_path / "none.toml")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(WrongInput, match="not UTF-8"):
        read_policy(binary)


@pytest.mark.parametrize(("share", "passes"), [(0, True), (1, True), (1.0000001, False), (-1e-9, False)])
def test_a_share_lies_between_none_and_all(tmp_path: Path, share: float, passes: bool) -> None:
    file = written(tmp_path, f"[lists]\nnewcomer_share = {share:.7f}\nsmall_anchor_share = {share:.10f}\n")
    if passes:
        assert read_policy(file).lists.newcomer_share == share
    else:
        with pytest.raises(WrongInput):
            read_policy(file)
