"""The function `check`: what a function of this stack can do, from inside."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from penstock.aws.inspection.trials import CONFIG, AwsTrials
from penstock.aws.secret_passwords import SecretPasswords
from penstock.aws.session import session
from penstock.aws.text_files import UriTexts
from penstock.doctor import trials
from penstock.doctor.finding import as_json
from penstock.doctor.trials import Workplace
from penstock.model.check import Check
from penstock.model.release import VERSION
from penstock.routes import Routes
from penstock.settings import Settings
from penstock.wiring.routes import routes_reader


def answer(settings: Settings, connections: int) -> dict[str, object]:
    """Try what the functions of a stack do, and say which release this is."""
    place = workplace(settings)
    return {
        "version": VERSION,
        "trials": as_json(trials.try_all(place)),
        "database": as_json(trials.check_database(place, connections)),
    }


def workplace(settings: Settings) -> Workplace:
    """Build what the checks need from the settings of a function."""
    tried = AwsTrials(lambda service: session().client(service, config=CONFIG))
    has_database = bool(settings.postgres_dsn or settings.postgres_secret)
    return Workplace(
        trials=tried,
        source_buckets=settings.source_buckets,
        destination_buckets=settings.destination_buckets,
        work_bucket=settings.work_bucket,
        jobs_table=settings.jobs_table,
        records_table=settings.records_table,
        routes=routes_reader(settings, UriTexts(tried.client("s3"))),
        secrets=SecretPasswords(tried.client("secretsmanager")),
        database=partial(_database, settings) if has_database else None,
    )


def _database(settings: Settings, routes: Routes, connections: int) -> Iterator[Check]:
    from penstock.wiring.database_check import check_tables  # noqa: PLC0415  # psycopg

    yield from check_tables(settings, routes, connections)
