# SPDX-License-Identifier: MIT
"""What stands twice stands the same twice: the page, the .inf and the WDK project."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

from tests.windows.conftest import DRIVER, load

PAGE = (DRIVER / "README.md").read_text()
INTERFACE = (DRIVER / "interface.h").read_text()
INF = (DRIVER / "fastdivert.inf").read_text()


def test_the_page_names_every_source_and_every_ioctl() -> None:
    named = set(re.findall(r"`([\w./]+)`", PAGE))
    sources = {path.name for path in DRIVER.glob("*.c")}
    assert sources and sources <= named
    for name in re.findall(r"#define FD_IOCTL_(\w+)", INTERFACE):
        assert name in PAGE


def test_the_limits_of_the_page_are_those_of_the_interface() -> None:
    value = {
        name: int(text.rstrip("uUlL"), 0)
        for name, text in re.findall(
            r"#define FD_WINDOWS_(\w+) (0?x?[0-9a-f]+[uUlL]*)\b", INTERFACE
        )
    }
    assert f"up to {value['QUEUES_MAX']} receive queues" in PAGE
    assert f"up to {value['LOCKED_MAX'] >> 30} GiB of its own memory" in PAGE
    assert f"{value['OUTSTANDING_MAX'] >> 20} MiB of packets in the stack" in PAGE
    assert f"-{value['PRIORITY_MAX']} to {value['PRIORITY_MAX']}" in PAGE


def test_device_service_and_inf_have_one_name() -> None:
    name = re.findall(r'#define FD_WINDOWS_NAME "(.+)"', INTERFACE)[0]
    major = re.findall(r"#define FD_WINDOWS_MAJOR (\d+)", INTERFACE)[0]
    assert name == f"fastdivert-{major}"
    assert f'ServiceName = "{name}"' in INF
    assert rf"`\\.\{name}`" in PAGE


def test_the_file_version_is_the_same_everywhere() -> None:
    version = load("build").VERSION
    text, numbers = ".".join(map(str, version)), ",".join(map(str, version))
    assert re.search(rf"^DriverVer += +[\d/]+,{re.escape(text)}$", INF, re.MULTILINE)
    project = (DRIVER / "wdk" / "fastdivert.vcxproj").read_text()
    assert f"FD_FILE_VERSION={numbers};" in project and f'\\"{text}\\"' in project


def test_the_inf_defines_every_section_and_string_that_it_uses() -> None:
    lines = [line.split(";")[0].strip() for line in INF.splitlines()]
    sections = {line.strip("[]") for line in lines if line.startswith("[")}
    assert {"Version", "Strings", "Fastdivert.Service", "Fastdivert.Files"} <= sections
    for machine in ("NTamd64", "NTarm64"):
        for name in ("DefaultInstall", "DefaultUninstall"):
            assert {f"{name}.{machine}", f"{name}.{machine}.Services"} <= sections
    used = set(re.findall(r"%([A-Za-z]+)%", INF))
    strings = INF[INF.index("[Strings]") :]
    assert used and all(re.search(rf"^{name} +=", strings, re.MULTILINE) for name in used)


def test_the_wdk_project_builds_the_sources_for_both_machines() -> None:
    root = ElementTree.parse(DRIVER / "wdk" / "fastdivert.vcxproj").getroot()
    space = {"m": "http://schemas.microsoft.com/developer/msbuild/2003"}
    configurations = root.findall(".//m:ProjectConfiguration", space)
    assert {item.get("Include") for item in configurations} == {"Release|x64", "Release|ARM64"}
    compiled = {
        str(item.get("Include")) for item in root.findall(".//m:ClCompile[@Include]", space)
    }
    assert compiled == {r"..\*.c", r"..\..\core\*.c"}
