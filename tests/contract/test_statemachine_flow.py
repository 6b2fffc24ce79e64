"""The definition of the state machine on the emulator, with the permissions of the template.

Fake functions respond as a script in the work bucket says, and record every call there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import machines
from machines import allow
from penstock_local.account import Account, emulator_only

ROOT = Path(__file__).parents[2]
WORK = "flow-work"
VERBS = ("Plan", "Index", "Work", "Finish", "Abort")
STAND_IN = """
import json, os, time
import boto3

s3 = boto3.client("s3")
WORK, VERB = os.environ["WORK"], os.environ["VERB"]

def handler(event, context):
    job = event["job"]
    which = VERB + str((event.get("span") or event.get("piece") or {}).get("number", ""))
    key = f"calls/{job}/{which}/"
    before = s3.list_objects_v2(Bucket=WORK, Prefix=key).get("KeyCount", 0)
    s3.put_object(Bucket=WORK, Key=f"{key}{time.time_ns()}", Body=json.dumps(event))
    script = json.loads(s3.get_object(Bucket=WORK, Key=f"jobs/{job}/script.json")["Body"].read())
    answers = script.get(which, [{"next": "done"}])
    answer = answers[min(before, len(answers) - 1)]
    if "raise" in answer:
        raise type(answer["raise"], (Exception,), {})("as the script says")
    return answer
"""


class TemplateLoader(yaml.CSafeLoader):
    """YAML with CloudFormation's tags: ``!GetAtt A.Arn`` and ``!Sub text`` become ``${A.Arn}`` and the text."""


def short(loader: TemplateLoader, tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        text = loader.construct_scalar(node)
        return text if tag == "Sub" else f"${{{text}}}"
    return {tag: loader.construct_sequence(node, deep=True)} if isinstance(node, yaml.SequenceNode) else None


TemplateLoader.add_multi_constructor("!", short)


def filled(text: str, names: dict[str, str]) -> str:
    return re.sub(r"\$\{([\w.:]+)\}", lambda found: names[found.group(1)], text)


def rights_of_the_machine(names: dict[str, str]) -> list[dict[str, Any]]:
    """The unconditional statements of the state machine's role in the template."""
    template = yaml.load((ROOT / "template.yaml").read_text(), TemplateLoader)  # it is a SafeLoader
    (policy,) = template["Resources"]["StateMachineRole"]["Properties"]["Policies"]
    statements = [statement for statement in policy["PolicyDocument"]["Statement"] if "If" not in statement]
    granted: list[dict[str, Any]] = json.loads(filled(json.dumps(statements), names))
    return granted


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with emulator_only() as account:
        account.client("s3").create_bucket(Bucket=WORK)
        yield account


@pytest.fixture(scope="module")
def machine(account: Account) -> str:
    objects = [f"arn:aws:s3:::{WORK}", f"arn:aws:s3:::{WORK}/*"]
    may = allow(["s3:GetObject", "s3:ListBucket", "s3:PutObject"], objects)
    stand_in = machines.role(account, "stand-in", may)
    functions = {
        f"{verb}Function": machines.function(account, f"flow-{verb.lower()}", STAND_IN, stand_in, VERB=verb, WORK=WORK)
        for verb in VERBS
    }
    names = {
        "AWS::Partition": "aws",
        "AWS::Region": "us-east-1",
        "AWS::AccountId": "000000000000",
        "AWS::StackName": "flow",
        "WorkBucket.Arn": f"arn:aws:s3:::{WORK}",
        **{f"{name}.Arn": arn for name, arn in functions.items()},
    }
    text = (ROOT / "statemachine" / "job.asl.json").read_text()
    substitutions = {"Partition": "aws"} | {f"{name}Arn": arn for name, arn in functions.items()}
    role = machines.role(account, "flow", *rights_of_the_machine(names))
    return machines.machine(account, "flow-job", json.loads(filled(text, substitutions)), role)


def run(account: Account, machine: str, job: str, **script: list[dict[str, Any]]) -> dict[str, Any]:
    """Run a job whose steps give these answers: the n-th call the n-th answer, then the last one. Return its result."""
    s3 = account.client("s3")
    s3.put_object(Bucket=WORK, Key=f"jobs/{job}/script.json", Body=json.dumps(script))
    for name, items in (("pieces", 2), ("manifest", 3)):
        lines = "\n".join(json.dumps({"number": number}) for number in range(1, items + 1))
        s3.put_object(Bucket=WORK, Key=f"jobs/{job}/{name}.jsonl", Body=lines)
    return machines.run(account, machine, {"job": job, "attempt": "first"})


def calls(account: Account, job: str) -> list[str]:
    """Every call of a step, in order: ``Plan``, ``Index``, ``Work1`` for the span number 1 ..."""
    found = account.client("s3").list_objects_v2(Bucket=WORK, Prefix=f"calls/{job}/").get("Contents", [])
    keys = sorted((found["Key"] for found in found), key=lambda key: int(key.rpartition("/")[2]))
    return [key.split("/")[2] for key in keys]


def reported(account: Account, job: str, step: str) -> Any:
    """The event of the last call of a step."""
    s3 = account.client("s3")
    last = s3.list_objects_v2(Bucket=WORK, Prefix=f"calls/{job}/{step}/")["Contents"][-1]["Key"]
    return json.loads(s3.get_object(Bucket=WORK, Key=last)["Body"].read())


def then(following: str, job: str) -> dict[str, Any]:
    """An answer of the plan."""
    name = "pieces" if following == "survey" else "manifest"
    return {
        "next": following,
        "manifest": {"bucket": WORK, "key": f"jobs/{job}/{name}.jsonl"},
        "concurrency": 2,
        "round": 0,
    }


def test_a_job_is_indexed_until_that_is_done_then_delivered_and_finished(account: Account, machine: str) -> None:
    plan = [then("index", "indexed"), then("work", "indexed")]
    end = run(account, machine, "indexed", Plan=plan, Index=[{"done": False}, {"done": False}, {"done": True}])
    assert end["status"] == "SUCCEEDED"
    made = calls(account, "indexed")
    assert made[:5] == ["Plan", "Index", "Index", "Index", "Plan"]
    assert sorted(made[5:-1]) == ["Work1", "Work2", "Work3"]
    assert made[-1] == "Finish"
    job = {"job": "indexed", "attempt": "first"}
    assert reported(account, "indexed", "Index") == job
    assert reported(account, "indexed", "Work2") == {**job, "span": {"number": 2}, "round": 0}
    assert reported(account, "indexed", "Finish") == {**job, "round": 0}


def test_all_spans_are_sent_again_if_the_upload_cannot_be_completed(account: Account, machine: str) -> None:
    plan = [then("work", "again"), {**then("work", "again"), "round": 1}]
    end = run(account, machine, "again", Plan=plan, Finish=[{"next": "again"}, {"next": "done"}])
    assert end["status"] == "SUCCEEDED"
    made = calls(account, "again")
    assert [made[0], made[4], made[5], made[9]] == ["Plan", "Finish", "Plan", "Finish"]
    assert sorted(made[6:9]) == ["Work1", "Work2", "Work3"]
    assert reported(account, "again", "Work2")["round"] == 1
    assert reported(account, "again", "Finish")["round"] == 1


def test_an_execution_that_yields_ends_without_abort(account: Account, machine: str) -> None:
    end = run(account, machine, "yielded", Plan=[then("work", "yielded")], Finish=[{"next": "yielded"}])
    assert end["status"] == "SUCCEEDED"
    assert calls(account, "yielded")[-1] == "Finish"


def test_members_that_are_not_delivered_are_looked_at_until_they_are(account: Account, machine: str) -> None:
    waiting = {"done": False, "wait": 1}
    end = run(
        account, machine, "children", Plan=[then("work", "children")], Finish=[{"next": "children"}, {"next": "done"}],
        Work=[waiting, {"done": False}, waiting, {"done": True}],
    )  # fmt: skip
    assert end["status"] == "SUCCEEDED"
    made = calls(account, "children")
    assert sorted(made[1:4]) == ["Work1", "Work2", "Work3"]
    assert made[4:] == ["Finish", "Work", "Work", "Work", "Work", "Finish"]
    assert json.loads(end["output"])["sequence"] == {"done": True}


def test_the_pieces_of_a_survey_are_handed_to_index_one_by_one(account: Account, machine: str) -> None:
    end = run(account, machine, "surveyed", Plan=[then("survey", "surveyed"), then("work", "surveyed")])
    assert end["status"] == "SUCCEEDED"
    made = calls(account, "surveyed")
    assert (made[0], sorted(made[1:3]), made[3]) == ("Plan", ["Index1", "Index2"], "Plan")
    assert reported(account, "surveyed", "Index2") == {"job": "surveyed", "attempt": "first", "piece": {"number": 2}}


def test_a_span_that_is_throttled_is_retried_alone(account: Account, machine: str) -> None:
    throttled = [{"raise": "ServiceUnavailableError"}, {}]
    end = run(account, machine, "throttled", Plan=[then("work", "throttled")], Work2=throttled)
    assert end["status"] == "SUCCEEDED"
    assert sorted(calls(account, "throttled")) == ["Finish", "Plan", "Work1", "Work2", "Work2", "Work3"]


def test_a_span_that_fails_permanently_leads_to_abort(account: Account, machine: str) -> None:
    corrupt = [{"raise": "CorruptSourceError"}]
    end = run(account, machine, "corrupt", Plan=[then("work", "corrupt")], Work2=corrupt)
    assert (end["status"], end["error"]) == ("FAILED", "States.ExceedToleratedFailureThreshold")
    made = calls(account, "corrupt")
    assert made.count("Work2") == 1
    assert "Finish" not in made
    assert made[-1] == "Abort"


def test_a_step_that_fails_permanently_leads_to_abort_with_its_error(account: Account, machine: str) -> None:
    end = run(account, machine, "denied", Plan=[{"raise": "AccessDeniedError"}])
    assert (end["status"], end["error"]) == ("FAILED", "AccessDeniedError")
    assert calls(account, "denied") == ["Plan", "Abort"]
    given = reported(account, "denied", "Abort")
    assert (given["job"], given["attempt"], given["error"]["Error"]) == ("denied", "first", "AccessDeniedError")
    assert json.loads(given["error"]["Cause"])["errorMessage"] == "as the script says"


@pytest.mark.long
def test_abort_is_retried_after_any_error(account: Account, machine: str) -> None:
    failing = [{"raise": "AnythingError"}, {}]
    end = run(account, machine, "stubborn", Plan=[{"raise": "AccessDeniedError"}], Abort=failing)
    assert end["error"] == "AccessDeniedError"
    assert calls(account, "stubborn") == ["Plan", "Abort", "Abort"]


def test_the_payload_has_only_the_last_answer_of_each_step(account: Account, machine: str) -> None:
    plan = [then("index", "small"), then("work", "small")]
    end = run(account, machine, "small", Plan=plan, Index=[{"done": False}, {"done": True}], Work1=[{"rows": [1] * 99}])
    payload = {
        "job": "small",
        "attempt": "first",
        "plan": plan[-1],
        "index": {"done": True},
        "finish": {"next": "done"},
    }
    assert json.loads(end["output"]) == payload
