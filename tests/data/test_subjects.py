from pathlib import Path

from data.intake import Origin, take_rows
from keepfit import Column, Gate, Project, Target
from keepfit.secret import secret_key


def project(**changed: object) -> Project:
    said = {
        "name": "shop",
        "features": {"spent": Column.number()},
        "target": Target.binary("returned"),
        "build": object,
        "metrics": ["neg_log_loss"],
        "gates": [Gate("neg_log_loss", at_least=-1)],
        "subject": "customer",
    }
    return Project(**{**said, **changed})


def subject_of(customer: str | None, key: bytes, project: Project) -> str | None:
    row = {"spent": 3.0, "predicted_at": "2026-01-01T00:00:00+00:00", "customer": customer}
    (prediction,) = take_rows(project, [row], Origin("file", subject_key=key)).predictions
    return prediction.subject_id


def test_a_subject_is_kept_as_a_hash_that_only_the_key_can_repeat() -> None:
    kept = subject_of("anna@example.org", b"one key", project())
    assert kept is not None
    assert "anna" not in kept
    assert kept == subject_of("anna@example.org", b"one key", project())
    assert kept != subject_of("anna@example.org", b"another key", project())
    assert kept != subject_of("anna@example.org", b"one key", project(name="bank"))


def test_a_row_without_a_subject_has_none() -> None:
    assert subject_of(None, b"key", project()) is None
    assert subject_of("anna", b"key", project(subject=None)) is None


def test_the_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    key = secret_key(tmp_path / "subject.key")
    assert len(key) == 32
    assert secret_key(tmp_path / "subject.key") == key
    assert (tmp_path / "subject.key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["subject.key"]
