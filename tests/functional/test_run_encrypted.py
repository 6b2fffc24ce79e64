"""`penstock run` and `penstock explain` of encrypted archives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result

import penstock
from fixtures.encrypted_zips import PASSWORD, aes_zip, zipcrypted, zipcrypto_zip
from fixtures.zips import Entry, zip_of
from penstock.archives.zip.zipcrypto import in_python
from penstock_cli.main import main
from postgres_database import Database

pytest_plugins = ["functional.lake_fixtures", "postgres_fixtures"]

FILES = {"data/a.csv": b"id,name\n1,reservoir\n", "large.bin": bytes(3_000_000), "notes.txt": b"notes"}
ROUTES = """
[[route]]
name = "apart"
match = ["in/*"]
archive = "members"
{secret}

[[route]]
name = "files"
match = ["in/*"]
destination = "s3://results/{{member_base}}"
"""


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "data.zip"
    path.write_bytes(aes_zip(FILES))
    return path


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_bytes(PASSWORD + b"\n")
    return path


@pytest.fixture
def routes(tmp_path: Path) -> Path:
    path = tmp_path / "routes.toml"
    path.write_text(ROUTES.format(secret='password_secret = "archive-password"'))
    return path


def penstock_command(*arguments: object) -> Result:
    return CliRunner(mix_stderr=False).invoke(main, list(map(str, arguments)))


def run(*arguments: object) -> Result:
    return penstock_command("run", *arguments)


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_file_has_the_password(archive: Path, password_file: Path, tmp_path: Path) -> None:
    result = run(archive, "--to", f"{tmp_path}/out/", "--password-file", password_file)
    assert result.exit_code == 0, result.stderr
    assert files_in(tmp_path / "out") == FILES


def test_the_environment_may_name_the_file_which_other_sources_ignore(
    archive: Path, password_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_PASSWORD_FILE", str(password_file))
    assert run(archive, "--to", f"{tmp_path}/out/").exit_code == 0
    assert files_in(tmp_path / "out") == FILES
    (tmp_path / "a.csv").write_bytes(b"a")
    assert run(tmp_path / "a.csv", "--to", f"{tmp_path}/b.csv").exit_code == 0
    refused = run(tmp_path / "a.csv", "--to", f"{tmp_path}/c.csv", "--password-file", password_file)
    assert (refused.exit_code, (tmp_path / "c.csv").exists()) == (2, False)
    assert "--password-file is for an archive" in refused.stderr


@pytest.mark.parametrize("password", ["secret", b"secret"])
def test_a_program_gives_the_password(archive: Path, password: str | bytes, tmp_path: Path) -> None:
    receipt = penstock.run(archive, to=f"{tmp_path}/out/", password=password)
    assert len(receipt.members) == 3
    assert files_in(tmp_path / "out") == FILES


@pytest.mark.parametrize(
    ("password", "message", "way_out"),
    [
        (b"", "is encrypted (AES-256), and no password is given", "--password-file"),
        (b"Secret", "the password is wrong (AES-256)", "Correct the secret"),
    ],
)
def test_without_the_password_members_fail_by_name_and_nothing_is_written(
    password: bytes, message: str, way_out: str, archive: Path, tmp_path: Path
) -> None:
    (tmp_path / "wrong").write_bytes(password)
    given = ["--password-file", tmp_path / "wrong"] if password else []
    result = run(archive, "--to", f"{tmp_path}/out/", *given)
    assert result.exit_code == 1
    for name in FILES:
        assert f"{archive}/{name}: " in result.stderr
    assert message in result.stderr
    assert way_out in result.stderr
    assert "Traceback" not in result.stderr
    assert files_in(tmp_path / "out") == {}


@pytest.mark.parametrize("content", [b"", b"\n", bytes(70_000)])
def test_a_file_that_holds_no_password_is_refused(content: bytes, archive: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_bytes(content)
    result = run(archive, "--to", f"{tmp_path}/out/", "--password-file", tmp_path / "wrong")
    assert (result.exit_code, (tmp_path / "out").exists()) == (2, False)
    assert "must have 1 to 65,536 bytes" in result.stderr


def passing(entry: Entry) -> str:
    """A wrong password that passes the check of ZipCrypto, as one of 256 does."""
    header = zipcrypted(entry).body[:12]
    right = in_python(PASSWORD)(header)[-1]
    return next(word for word in map(str, range(10_000)) if in_python(word.encode())(header)[-1] == right)


def test_no_row_of_a_table_comes_from_a_wrong_password(database: Database, tmp_path: Path) -> None:
    """Whatever a wrong password decrypts, one column of text would take it."""
    entry = Entry(b"rows.csv", b"".join(b"text %d\n" % number for number in range(9_000)), method=0)
    path = tmp_path / "rows.zip"
    path.write_bytes(zipcrypto_zip(entry))

    def load(password: str) -> penstock.Receipt:
        table: dict[str, Any] = {"columns": ["text"], "header": False, "encoding": "latin-1", "max_rejects": "99%"}
        return penstock.run(path, to="postgresql:texts", create=True, dsn=database.dsn, password=password, **table)

    with pytest.raises(penstock.IncompleteJobError, match="CRC32 of the member's bytes"):
        load(passing(entry))
    assert database.execute("SELECT to_regclass('texts')") == [(None,)]
    assert load("secret").rows == 9_000


def test_the_secret_of_a_route_is_read_with_the_credentials_of_the_command(
    archive: Path, routes: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    secrets: Any = boto3.client("secretsmanager", region_name="us-east-1")
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="results")
    options = ("--routes", routes, "--as", "in/data.zip")
    missing = run(archive, *options)
    assert missing.exit_code == 1
    assert "secretsmanager:GetSecretValue on archive-password" in missing.stderr
    secrets.create_secret(Name="archive-password", SecretString='{"password": "secret"}')
    result = run(archive, *options)
    assert result.exit_code == 0, result.stderr
    assert s3.get_object(Bucket="results", Key="notes.txt")["Body"].read() == b"notes"


# explain


def explained(archive: Path, routes: Path) -> list[str]:
    result = penstock_command("explain", archive, "--routes", routes, "--as", "in/data.zip")
    assert result.exit_code == 0, result.stderr
    return result.stdout.splitlines()


def test_explain_says_what_is_encrypted_and_where_the_password_is(archive: Path, routes: Path) -> None:
    shown = explained(archive, routes)
    assert any(line.endswith("3 encrypted (password in the secret archive-password)") for line in shown)
    assert "    data/a.csv  (20 B, csv, encrypted (AES-256)) -> s3://results/a.csv (files)" in shown
    assert "problem" not in "".join(shown)


def test_explain_says_that_a_password_or_a_cipher_is_missing(archive: Path, routes: Path, tmp_path: Path) -> None:
    routes.write_text(ROUTES.format(secret=""))
    shown = explained(archive, routes)
    assert any(line.endswith("3 encrypted (no password)") for line in shown)
    missing = "is encrypted (AES-256), and route 'apart' names no secret with the password (password_secret)"
    assert shown[-1] == f"  problem      member 'data/a.csv' {missing}"
    strong = Entry(b"a", flags=0x41)
    path = tmp_path / "strong.zip"
    path.write_bytes(zip_of(strong))
    assert explained(path, routes)[-1].endswith("is encrypted (PKWARE strong encryption), which is not supported")
