# SPDX-License-Identifier: MIT
"""Do the documents say what the code does?"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fastdivert as fd

ROOT = Path(__file__).parents[2]
ABI = ROOT / "driver" / "abi"


def members(header):
    """(struct, member) of every struct of a C header, anonymous unions included."""
    text = re.sub(r"/\*.*?\*/", "", (ABI / header).read_text(), flags=re.DOTALL)
    for struct, body in re.findall(r"struct (\w+) \{(.*?)\n\};", text, flags=re.DOTALL):
        for declaration in re.findall(r"(\w+)(?:\[[^\]]*\])?;", body):
            yield struct, declaration


@pytest.mark.parametrize("header", ["ring.h", "program.h"])
def test_the_abi_page_names_every_member(header):
    page = (ABI / "README.md").read_text()
    found = list(members(header))
    assert len(found) > 5
    missing = [f"{struct}.{name}" for struct, name in found if f"`{name}`" not in page]
    assert not missing


def test_the_abi_page_names_every_struct_flag_and_drop_cause():
    page = (ABI / "README.md").read_text()
    text = (ABI / "ring.h").read_text()
    names = re.findall(r"^struct (\w+) \{", text, flags=re.MULTILINE)
    flags = re.findall(r"\b(FD_FLAG_\w+|FD_DROP_(?!COUNT)\w+) =", text)
    assert len(names) > 5
    assert len(flags) > 20
    assert not [name for name in (*names, *flags) if name not in page]


def test_the_statistics_page_names_every_counter():
    page = (ROOT / "docs" / "statistics.md").read_text()
    with fd.open(driver="replay", source=fd.Batch.from_packets([])) as handle:
        stats = handle.stats()
    keys = [*stats, *stats["dropped"]]
    assert not [key for key in keys if f"`{key}`" not in page]


def test_the_reference_has_every_public_name_as_it_is_now():
    code = "import generate_api; print(generate_api.render())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "docs", capture_output=True, text=True, check=True
    )

    def headings(text):
        return [line for line in text.splitlines() if line.startswith("#")]

    page = (ROOT / "docs" / "api.md").read_text()
    assert headings(page) == headings(done.stdout), "not current: run ./dev docs"


def readme_examples():
    """The live one, and the one on a capture."""
    return re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def test_the_readme_example_on_a_capture_runs(tmp_path, monkeypatch, capsys):
    _, code = readme_examples()
    shutil.copy(ROOT / "tests" / "captures" / "http.pcap", tmp_path / "in.pcap")
    monkeypatch.chdir(tmp_path)
    exec(compile(code.replace("443", "8000"), "README.md", "exec"), {})
    assert "'matched': 19" in capsys.readouterr().out
    with fd.read_pcap("out.pcap") as reader:
        assert any((batch["ip.TTL"] == 64).any() for batch in reader)


@pytest.mark.parametrize(
    "page",
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        ROOT / "driver" / "README.md",
        ROOT / "driver" / "abi" / "README.md",
    ],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_every_link_between_pages_leads_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)", page.read_text())
    local = [link for link in links if "://" not in link]
    assert not [link for link in local if not (page.parent / link).exists()]
