import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepfit.origins import is_from_elsewhere, is_ours


@pytest.mark.parametrize(
    ("host", "local", "ours"),
    [
        ("127.0.0.1:8400", True, True),
        ("localhost:8400", True, True),
        ("LOCALHOST", True, True),
        ("[::1]:8400", True, True),
        ("keepfit.example:8400", True, False),
        ("127.0.0.1.evil.example", True, False),
        ("localhost.evil.example", True, False),
        ("10.0.0.7:8400", True, False),
        ("10.0.0.7:8400", False, True),
        ("[fd00::1]", False, True),
        ("evil.example", False, False),
        ("ours.example", False, True),
        ("OURS.example.:443", False, True),
        ("evil.example@ours.example", False, True),
        ("ours.example@evil.example", False, False),
        ("[", False, False),
        ("", False, False),
    ],
)
def test_a_host_is_ours_by_its_number_or_a_name_that_we_gave_it(host: str, local: bool, ours: bool) -> None:
    assert is_ours(host, {"ours.example"}, local=local) is ours


def test_any_name_is_ours_where_the_settings_say_so() -> None:
    assert is_ours("evil.example", {"*"}, local=False)


@pytest.mark.parametrize(
    ("origin", "site", "elsewhere"),
    [
        (None, None, False),
        ("http://ours:8300", None, False),
        ("https://OURS:8300", "same-origin", False),
        ("http://ours:8301", None, True),
        ("http://ours:8300.evil.example", None, True),
        ("null", None, True),
        ("", None, True),
        ("file://ours:8300", None, True),
        ("http://ours:8300", "cross-site", True),
        ("http://ours:8300", "same-site", True),
        ("http://ours:8300\x00", None, True),
        ("http://[", None, True),
    ],
)
def test_a_page_is_ours_by_its_whole_origin(origin: str | None, site: str | None, elsewhere: bool) -> None:
    assert is_from_elsewhere(origin, "ours:8300", site) is elsewhere


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_header_is_too_strange_to_judge(host: str, origin: str) -> None:
    is_ours(host, {"ours.example"}, local=False)
    is_from_elsewhere(origin, host)
