"""The page on the cluster file says what the code does."""

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from interrex.config.reference import reference, renewed
from interrex.config.schema import SECTIONS
from interrex.config.tables import Section
from tests.config.cluster_files import checked, warned

PAGE = Path(__file__).parents[2] / "docs" / "cluster-file.md"
TYPED = [
    section for section in SECTIONS if section.spec and issubclass(section.spec, msgspec.Struct)
]


def test_the_reference_is_current() -> None:
    """Brought up to date by ``python -m interrex.config.reference docs/cluster-file.md``."""
    assert PAGE.read_text() == renewed(PAGE.read_text())
    assert reference() in PAGE.read_text()


def test_every_key_of_every_table_has_a_meaning() -> None:
    for section in SECTIONS:
        for key in section.keys:
            assert key.meaning, f"{section.name}.{key.name}"
            assert not key.meaning.endswith("."), f"{section.name}.{key.name}"


@pytest.mark.parametrize("section", TYPED, ids=lambda section: section.name)
def test_every_typed_field_can_be_written(section: Section) -> None:
    elsewhere = {
        "cluster": {"hosts", "tls", "balancer", "services", "etcd", "zookeeper"},
        "service.NAME": {"name"},
    }
    assert section.spec is not None
    fields = set(section.spec.__struct_fields__) - elsewhere.get(section.name, set())
    assert fields == {key.field or key.name for key in section.keys}


def test_the_full_example_shows_every_key() -> None:
    text = (PAGE.parents[1] / "examples" / "full.toml").read_text()
    for section in SECTIONS:
        for key in section.keys:
            assert re.search(rf"\b{key.name}\b", text), f"{section.name}.{key.name}"


def test_the_pages_own_file_is_in_order(tmp_path: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert warned(tmp_path, blocks[0]) == []
    for block in blocks[1:]:
        lines = f'[cluster]\nname = "x"\n[service.web]\ncommand = "x {{port}}"\n{block}'
        assert checked(tmp_path, lines).problems == ()


def test_the_page_is_rewritten_by_a_command(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text().replace("| `replicas` |", "| `old` |"))
    subprocess.run([sys.executable, "-m", "interrex.config.reference", str(page)], check=True)
    assert page.read_text() == PAGE.read_text()
