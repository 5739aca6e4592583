# SPDX-License-Identifier: MIT

import pytest

import fastdivert as fd
from tests.cli.command import answer, fastdivert, refused


def test_check_says_that_a_filter_is_right():
    done = fastdivert("filter", "check", "tcp.DstPort == 80 or udp")
    assert (done.returncode, done.stdout) == (0, "right: 2 tests at NETWORK\n")


def test_format_prints_the_canonical_text():
    done = fastdivert("filter", "format", "tcp.DstPort==0x50&&ip")
    assert done.stdout == fd.compile("tcp.DstPort==0x50&&ip").format() + "\n"


def test_explain_prints_the_program():
    compiled = fd.compile("tcp or udp.DstPort == 53")
    done = fastdivert("filter", "explain", compiled.text)
    assert done.stdout == f"{compiled.format()}\n\n{compiled.program.dump()}\n"


@pytest.mark.parametrize("action", ["check", "format", "explain"])
def test_an_error_shows_its_place_under_the_text(action):
    text = "tcp.DstPort == 80 and nope"
    *_, shown, caret = refused("filter", action, text).splitlines()
    assert shown.strip() == text
    assert shown[caret.index("^") :] == "nope"


def test_a_long_filter_is_shown_around_the_place():
    text = " or ".join(["tcp.DstPort == 80"] * 50) + " or nope or " + " or ".join(["udp"] * 50)
    *_, shown, caret = refused("filter", "check", text).splitlines()
    assert len(shown) < 100
    assert shown.lstrip().startswith("...")
    assert shown.endswith("...")
    assert shown[caret.index("^") :].startswith("nope")


def test_line_breaks_and_tabs_do_not_move_the_caret():
    *_, shown, caret = refused("filter", "check", "tcp\n\tand\tnope").splitlines()
    assert shown[caret.index("^") :] == "nope"


def test_an_error_as_json():
    found = answer("filter", "check", "tcp and", code=2)
    with pytest.raises(fd.FilterError) as caught:
        fd.compile("tcp and")
    assert found == {
        "ok": False,
        "text": "tcp and",
        "message": caught.value.message,
        "position": caught.value.position,
    }


def test_a_program_as_json():
    found = answer("filter", "explain", "tcp.DstPort == 443 and ip")
    assert found["ok"] is True
    assert found["layer"] == "NETWORK"
    fields = [test["field"] for test in found["program"]]
    assert sorted(fields) == ["ip", "tcp.DstPort"]
    assert found["program"][-1]["success"] == "accept"
    assert {test["failure"] for test in found["program"]} == {"reject"}
    (port,) = [test for test in found["program"] if test["field"] == "tcp.DstPort"]
    assert (port["operator"], port["constant"]) == ("EQ", "443")


def test_a_layer_has_its_own_fields():
    assert answer("filter", "check", "processId == 4", "--layer", "flow")["layer"] == "FLOW"
    assert "processId" in refused("filter", "check", "processId == 4")


def test_extensions_are_off_unless_asked_for():
    text = "tcp.DstPort in {80, 443}"
    refused("filter", "check", text)
    assert answer("filter", "check", text, "--extensions")["ok"] is True


def test_a_filter_comes_from_standard_input():
    done = fastdivert("filter", "format", "-", stdin="tcp\n")
    assert (done.returncode, done.stdout) == (0, "tcp\n")
