"""The command line: what is refused, how it is said, and which exit code says it."""

from pathlib import Path

import pytest

from tests.commands import Run


def test_every_command_of_the_contract_is_there(run: Run) -> None:
    """DESIGN.md 2, Commands."""
    for command in (
        "run demo replay inspect check-config simulate rules",
        "topics create,topics check,dead-letters list,dead-letters replay,state show,state erase,offsets set",
    ):
        for name in command.split("," if "," in command else " "):
            assert run(*name.split(), "--help").code == 0, name


def test_check_config_prints_what_is_in_force(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Effective settings with secrets masked, the rulebook with its hash and what a site has changed."""
    rulebook = tmp_path / "rules.toml"
    rulebook.write_text('[parameters]\nhold = "20 min"\n')
    monkeypatch.setenv("LAB_ALERT_RULEBOOK", str(rulebook))
    monkeypatch.setenv("LAB_ALERT_KAFKA_SASL_PASSWORD", "hunter2")
    done = run("check-config")
    assert done.code == 0
    assert "LAB_ALERT_KAFKA_BOOTSTRAP_SERVERS=localhost:9092" in done.out
    assert "hold = 20 min  # default 15 min" in done.out
    assert "rulebook sha256:" in done.out
    assert "hunter2" not in done.out


def test_check_config_lists_the_faults_of_all_files_at_once(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DESIGN.md 2, every fault listed: those of rulebook and site too when a setting is refused."""
    rulebook, site = tmp_path / "rules.toml", tmp_path / "site.toml"
    rulebook.write_text('[parameters]\nhold = "20"\npotassium_onste = "5.5 mmol/L"\n')
    site.write_text("[nowhere]\n")
    monkeypatch.setenv("LAB_ALERT_RULEBOOK", str(rulebook))
    monkeypatch.setenv("LAB_ALERT_SITE", str(site))
    monkeypatch.setenv("LAB_ALERT_HTTP_PORT", "many")
    done = run("check-config")
    assert done.code == 1
    for fault in (
        "LAB_ALERT_HTTP_PORT",
        "parameters.hold",
        "parameters.potassium_onste: unknown; the nearest known key is potassium_onset",
        "nowhere",
    ):
        assert fault in done.err


@pytest.mark.parametrize("command", ["check-config", "run", "replay /nowhere.hl7"])
def test_a_wrong_configuration_is_refused_with_all_faults(
    run: Run, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 1, each fault on its line with the nearest known name; nothing is started."""
    monkeypatch.setenv("LAB_ALERT_DEPLOYMNT", "x")
    monkeypatch.setenv("LAB_ALERT_HTTP_PORT", "many")
    done = run(*command.split())
    assert done.code == 1
    assert "LAB_ALERT_DEPLOYMNT: unknown; the nearest known one is LAB_ALERT_DEPLOYMENT" in done.err
    assert "LAB_ALERT_HTTP_PORT" in done.err
    assert "Traceback" not in done.err


def test_a_wrong_rulebook_is_refused(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A threshold without its unit, and one outside its bounds: both are named."""
    rulebook = tmp_path / "rules.toml"
    rulebook.write_text('[parameters]\npotassium_onset = 5.5\npotassium_high = "60 mmol/L"\n')
    monkeypatch.setenv("LAB_ALERT_RULEBOOK", str(rulebook))
    done = run("check-config")
    assert done.code == 1
    assert "parameters.potassium_onset" in done.err
    assert "parameters.potassium_high" in done.err


def test_a_broker_that_is_not_there_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 2, where it was looked for, no traceback."""
    monkeypatch.setenv("LAB_ALERT_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    done = run("topics", "check")
    assert done.code == 2
    assert "no Kafka at 127.0.0.1:1" in done.err
    assert len(done.err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["offsets", "set", "--stage", "all", "--to", "latest"], "--stage: ingest or judge"),
        (["dead-letters", "replay"], "name letters as PARTITION:OFFSET, or a --reason"),
        (["rules", "hyperkalemia"], "the nearest known one is"),
    ],
)
def test_a_command_that_can_not_be_meant_is_refused(run: Run, arguments: list[str], words: str) -> None:
    """Exit 1, with what to say instead."""
    done = run(*arguments)
    assert (done.code, words in done.err) == (1, True), done.err


def test_rules_are_explained_without_python(run: Run) -> None:
    """A rule's parameters with their units, bounds, section of RULES.md and source."""
    done = run("rules", "refractory-hyperkalemia-no-magnesium")
    assert done.code == 0
    assert "potassium_onset" in done.out
    assert "5.5 mmol/L" in done.out
    assert "4.1" in done.out


def test_simulate_writes_the_same_file_each_time(run: Run, tmp_path: Path) -> None:
    """And replay and inspect read it."""
    first, second = tmp_path / "a.hl7", tmp_path / "b.hl7"
    for path in (first, second):
        assert run("simulate", "--output", str(path), "--messages", "50", "--seed", "3").code == 0
    assert first.read_bytes() == second.read_bytes()
    assert len(run("inspect", str(first)).out.splitlines()) == 50


def test_inspect_sums_up_and_drafts_a_table(run: Run, tmp_path: Path) -> None:
    """Counts in place of lines; a table that is not written over; sentences for what was rejected."""
    feed = tmp_path / "feed.hl7"
    feed.write_text(
        "MSH|^~\\&|INLAB|KANTON|||20260301080000+0100||ORU^R01|M1|P|2.5\rPID|1||70000001^^^KSP^MR\r"
        "OBR|1||L1|CHEM^^L|||20260301073000\rOBX|1|NM|KU^Kalium^INLAB||6.8|mmol/l|||||F\r"
        "OBX|2|NM|2823-3^Potassium^LN||abc|mmol/l|||||F\r"
    )
    assert "KU^Kalium^INLAB" in run("inspect", "--summary", str(feed)).out
    draft = tmp_path / "site.toml"
    assert run("inspect", "--draft", str(draft), str(feed)).code == 0
    assert '#code = "KU"' in draft.read_text()
    again = run("inspect", "--draft", str(draft), str(feed))
    assert (again.code, "is there already" in again.err) == (2, True)
    assert '"explanation"' in run("inspect", "--explain", str(feed)).out


def test_simulate_into_a_folder_that_is_not_there_is_refused(run: Run, tmp_path: Path) -> None:
    """One line, exit 1."""
    done = run("simulate", "--output", str(tmp_path / "no" / "a.hl7"), "--messages", "1")
    assert done.code == 1
    assert "No such file" in done.err


def test_version(run: Run) -> None:
    """`--version` prints one."""
    assert run("--version").out.strip()[0].isdigit()
