"""What people copy and read before they deploy: it must be true of the repository that it stands in."""

import re
from typing import Any

import pytest
import yaml

from cdk.costs import ALARM_METRICS, COSTS, KEYS, SECRETS, table
from cdk.stacks.credentials import GIVEN
from cdk.stages import STAGES
from tests.cdk.platform_charts import ROOT
from tests.cdk.written import Written, of_kind

GUIDE = (ROOT / "docs/deploy.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
CI = ROOT / "cdk/ci"


def test_the_guide_has_the_costs_that_are_computed() -> None:
    assert table() in GUIDE
    for stage in STAGES:
        assert all(cost.dollars(stage) > 0 for cost in COSTS)
    assert len(re.findall("estimate", GUIDE)) >= 2


def test_what_is_paid_for_by_the_piece_is_counted(dev: Written) -> None:
    """One secret is in no template: RDS makes that of the database's owner."""

    def made(kind: str) -> list[dict[str, Any]]:
        return [one for stack in dev.stacks.values() for one in of_kind(stack, kind).values()]

    alarms = [alarm.get("Metrics", [{"MetricStat": alarm}]) for alarm in made("AWS::CloudWatch::Alarm")]
    read = [part for metrics in alarms for part in metrics if "MetricStat" in part]
    assert (SECRETS, KEYS, ALARM_METRICS) == (
        len(made("AWS::SecretsManager::Secret")) + 1,
        len(made("AWS::KMS::Key")),
        len(read),
    )


def test_the_guide_names_all_that_templates_look_for_and_what_only_a_person_can_write(dev: Written) -> None:
    looked_for = {
        (parameter["Default"].replace("/dev/", "/STAGE/"), stack in {"edge", "web"})
        for stack, template in dev.stacks.items()
        for parameter in template.get("Parameters", {}).values()
        if parameter["Default"].startswith("/stoa/")
    }
    rows = {found[1]: found[0] for found in re.finditer(r"^ *\| `(/stoa/[^`]+)` \|.*$", GUIDE, re.MULTILINE)}
    assert {name for name, _ in looked_for} == set(rows)
    assert [name for name, abroad in looked_for if abroad and "us-east-1" not in rows[name]] == []
    assert [name for name in GIVEN if f"`{name}`" not in GUIDE] == []


def test_what_is_deployed_is_built_and_what_is_not_built_cannot_be(dev: Written) -> None:
    """The templates of `make synth` name packages by the hashes that they would have, with source folders in their
    place: deployed, they would be taken for them ever after."""
    made, looked_at = (recipe(target) for target in ("assembly", "synth"))
    assert ("build/cdk.deploy" in made, "bundle" in made) == (True, False)
    assert '"bundle": "false"' in looked_at
    assert looked_at.splitlines()[-2].strip() == "@rm -rf build/cdk.out/asset.*"
    for text in (GUIDE, *(path.read_text() for path in CI.iterdir())):
        commands = re.findall(r"(?:aws-cdk@[\d.]+|\$CDK) (\w+) --app (\S+)", text)
        assert {app for verb, app in commands if verb != "diff"} == {"build/cdk.deploy"}
        assert "make assembly" in text


def recipe(target: str) -> str:
    """The lines of a rule of the Makefile, the last of which says what was done."""
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert found, target
    return found[1]


@pytest.mark.parametrize("page", sorted(path.name for path in (ROOT / "docs").glob("*.md")))
def test_every_command_and_every_file_that_a_page_names_is_there(page: str) -> None:
    text = (ROOT / "docs" / page).read_text()
    targets = set(re.findall(r"`make ([a-z-]+)`", text))
    assert {target for target in targets if not re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)} == set()
    paths = re.findall(r"`((?:cdk|functions|local|playbooks|openapi|events|tests)/[\w./-]+)`", text)
    assert {path for path in paths if not (ROOT / path).exists()} == set()


def strings(thing: Any) -> list[str]:
    if isinstance(thing, dict):
        return [one for key, value in thing.items() for one in (str(key), *strings(value))]
    if isinstance(thing, list):
        return [one for value in thing for one in strings(value)]
    return [str(thing)]


class Gitlab(yaml.SafeLoader):
    """Knows `!reference`, which names lines of another job."""


Gitlab.add_constructor("!reference", lambda loader, node: str(node))


@pytest.mark.parametrize("name", ["gitlab-ci.yml", "github-workflow.yml"])
def test_pipelines_hold_no_key_and_run_what_is_here(name: str) -> None:
    said = "\n".join(strings(yaml.load((CI / name).read_text(), Gitlab)))  # noqa: S506  a SafeLoader
    assert not re.search("ACCESS_KEY|aws-access-key|AKIA", said)
    for target in re.findall(r"\bmake ([a-z-]+)", said):
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target
    for path in re.findall(r"tests/cdk/\S+\.py", said):
        assert (ROOT / path).exists(), path
    assert "aws-cdk@2.1148.1" in said


def test_gitlab_asks_for_a_token_where_it_speaks_to_aws_and_a_person_before_production() -> None:
    jobs = yaml.load((CI / "gitlab-ci.yml").read_text(), Gitlab)  # noqa: S506  a SafeLoader
    assert jobs[".aws"]["id_tokens"] == {"AWS_TOKEN": {"aud": "sts.amazonaws.com"}}
    assert (jobs["diff"]["extends"], jobs[".deploy"]["extends"]) == (".aws", ".aws")
    for stage in ("staging", "prod"):
        assert [rule["when"] for rule in jobs[f"deploy-{stage}"]["rules"]] == ["manual"]
    assert jobs["diff"]["variables"]["AWS_ROLE_ARN"] == "$AWS_READ_ROLE"


def test_github_gives_a_token_only_to_jobs_that_speak_to_aws() -> None:
    flow = yaml.safe_load((CI / "github-workflow.yml").read_text())
    assert flow["permissions"] == {"contents": "read"}
    for name, job in flow["jobs"].items():
        uses = [step.get("uses", "") for step in job["steps"]]
        speaks = any(one.startswith("aws-actions/") for one in uses)
        assert (job.get("permissions", {}).get("id-token") == "write") is speaks, name
        assert ("environment" in job) is speaks, name


def test_templates_run_nowhere_by_themselves() -> None:
    assert not (ROOT / ".gitlab-ci.yml").exists()
    assert not (ROOT / ".github").exists()
