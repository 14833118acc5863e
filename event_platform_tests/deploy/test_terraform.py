"""The infrastructure is one module, the same in every environment, and can be made, left alone and taken down."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from event_platform.environment import EnvironmentName
from event_platform_tests.deploy.terraform import SOURCE, STATE_BUCKET, Terraform, terraform_in, with_state_in
from event_platform_tests.support.s3 import ACCESS_KEY, REGION, SECRET_KEY, s3_server

ENVIRONMENTS = [name.value for name in EnvironmentName if name is not EnvironmentName.LOCAL]
MODULE = SOURCE / "modules" / "event_platform"

#: Given on the command line with each new image, and so in no environment's file.
_IMAGE = "image_tag"

# One group: pytest-xdist begins with those of most tests, and what waits longest here is one test of them.
pytestmark = pytest.mark.xdist_group("terraform")


def _names(path: Path, pattern: str) -> set[str]:
    return set(re.findall(pattern, path.read_text(encoding="utf-8"), re.MULTILINE))


# --- what differs between environments


def test_environments_are_files_of_the_same_variables() -> None:
    """There is one root and a file for each environment; each file sets every variable but the image, and no other."""
    files = sorted(path.name for path in (SOURCE / "environments").iterdir())
    assert files == sorted(f"{name}.tfvars" for name in ENVIRONMENTS)
    declared = _names(SOURCE / "variables.tf", r'^variable "(\w+)"') - {_IMAGE}
    for name in ENVIRONMENTS:
        assert _names(SOURCE / "environments" / f"{name}.tfvars", r"^(\w+) *=") == declared, name


def test_an_environment_is_named_by_its_file() -> None:
    """A file sets the environment that it is called by."""
    for name in ENVIRONMENTS:
        assert _names(SOURCE / "environments" / f"{name}.tfvars", r'^environment *= "(\w+)"') == {name}


def test_nothing_asks_which_environment_it_is() -> None:
    """Environments differ only in variables: no resource depends on the environment other than by its name."""
    for path in SOURCE.rglob("*.tf"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"environment\s*[!=]=|[!=]=\s*(var|local)\.environment", text), path
        uses = re.findall(r".*\bvar\.environment\b.*", text)
        assert all(re.search(r'= var\.environment$|\$\{var\.environment}|contains\(\["dev"', use) for use in uses), path


def test_no_file_names_a_secret() -> None:
    """A secret is made in Secrets Manager or put there by hand: no variable of the root takes one."""
    assert not _names(SOURCE / "variables.tf", r'^variable "(\w*(?:password|secret|token|url)s?)"') - {
        "ui_url",
        "report_url",
    }


# --- what Terraform says of it


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    """Terraform in the root."""
    return terraform_in(tmp_path_factory.mktemp("terraform") / "root")


def test_files_are_formatted(root: Terraform) -> None:
    """`terraform fmt` has nothing to change."""
    assert root.run("fmt", "-check", "-recursive", "-diff") == ""


def test_what_matters_holds_without_an_account(tmp_path: Path) -> None:
    """The module's own tests pass: prefixes, encryption, TLS, public access, least privilege, names, wrong settings."""
    printed = terraform_in(tmp_path / "copy", module="modules/event_platform").run("test", "-no-color")
    assert re.search(r"Success! \d+ passed, 0 failed", printed), printed


# --- what becomes of it in an account of its own

#: The environment that is applied: it has all that the others have, once it has their way into the UI.
WHOLE, ALL_OF_IT = "prod", "-var=ui_tunnel=true"
#: And the filter of the stream, which is off in the files.
_FILTER = "-var=deduplicate_before_landing=true"
_DATABASE = "module.event_platform.aws_db_instance.this"


@dataclass(frozen=True)
class Life:
    """The history of an environment from its first apply to its end."""

    created: set[str]  # addresses
    stored_state: str
    password: str
    changes: set[tuple[str, str]]  # address and attribute that the plan after the apply would change
    unexpected: list[str]  # whatever else that plan would do
    refused: str  # what destroy printed while the environment was protected
    protected: list[str]  # addresses in the state after that
    destroyed: str
    left: list[str]  # addresses in the state after destroy


def test_an_environment_is_made_left_alone_and_taken_down(tmp_path: Path) -> None:
    """One is applied, planned again and destroyed against an emulator, with its state in a bucket there.

    The others are planned: they have nothing that this one lacks. One test, for it is one walk through, and most of it
    is waiting; what it must show is below, sentence by sentence.
    """
    with s3_server(tmp_path / "emulator.log") as endpoint, ThreadPoolExecutor(len(ENVIRONMENTS)) as threads:
        bucket = {"LocationConstraint": REGION}
        _client("s3", endpoint).create_bucket(Bucket=STATE_BUCKET, CreateBucketConfiguration=bucket)
        environments = {name: with_state_in(terraform_in(tmp_path / name), endpoint, name) for name in ENVIRONMENTS}
        whole = threads.submit(_live, environments.pop(WHOLE), endpoint, tmp_path / "emulator.log")
        planned = dict(zip(environments, threads.map(_planned, environments.values(), environments), strict=True))
        life = whole.result()
    _environments_are_made_of_the_same_things({**planned, WHOLE: life.created})
    _a_plan_after_an_apply_changes_nothing(life)
    _no_known_difference_is_out_of_date(life)
    _the_password_is_in_no_state(life)
    _what_is_protected_refuses_to_be_taken_down(life)
    _what_is_not_protected_can_be_taken_down(life)


def _variables(environment: str) -> list[str]:
    return ["-no-color", "-input=false", f"-var-file=environments/{environment}.tfvars", f"-var={_IMAGE}=v1", _FILTER]


def _planned(terraform: Terraform, environment: str) -> set[str]:
    """Return the addresses of what an environment is made of."""
    return _created(terraform.run("plan", *_variables(environment)))


def _created(printed: str) -> set[str]:
    return set(re.findall(r"^  # (\S+) will be created$", printed, re.MULTILINE))


def _live(terraform: Terraform, endpoint: str, log: Path) -> Life:
    variables = [*_variables(WHOLE), ALL_OF_IT]
    try:
        applied = terraform.run("apply", "-auto-approve", *variables)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{_refused(log)}") from error
    stored = _client("s3", endpoint).get_object(Bucket=STATE_BUCKET, Key=f"{WHOLE}.tfstate")["Body"].read().decode()
    secret = f"event-platform-{WHOLE}/database-password"
    password = _client("secretsmanager", endpoint).get_secret_value(SecretId=secret)["SecretString"]
    terraform.run("plan", "-detailed-exitcode", "-out=plan", *variables, expected=(0, 2))
    changes, unexpected = _differences(terraform.show("plan"))

    quick = ["-auto-approve", "-refresh=false", *variables]
    refused = terraform.run("destroy", f"-target={_DATABASE}", *quick, expected=(1,))
    protected = terraform.run("state", "list").split()
    terraform.run("apply", *quick, "-var=deletion_protection=false")
    destroyed = terraform.run("destroy", *quick, "-var=deletion_protection=false", expected=(0, 1))
    left = terraform.run("state", "list").split()
    return Life(_created(applied), stored, password, changes, unexpected, refused, protected, destroyed, left)


def _refused(log: Path) -> str:
    """Return the requests that the emulator rejected or failed: if it is slow, the provider repeats finished ones."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(line for line in lines if re.search(r'" [45]\d\d |Error', line))


def _client(service: str, endpoint: str) -> Any:
    return boto3.session.Session().client(
        service,  # type: ignore[call-overload]
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )


def _differences(plan: Any) -> tuple[set[tuple[str, str]], list[str]]:
    """Return which attributes a plan would change, and what else it would do."""
    changes: set[tuple[str, str]] = set()
    unexpected = [name for name, change in plan["output_changes"].items() if change["actions"] != ["no-op"]]
    for resource in plan["resource_changes"]:
        address, change = resource["address"], resource["change"]
        if change["actions"] == ["update"]:
            before, after = change["before"], change["after"]
            unknown = {name for name, is_unknown in change["after_unknown"].items() if is_unknown is True}
            names = {name for name in {**before, **after} if before.get(name) != after.get(name)} | unknown
            changes |= {(address, name) for name in names}
        elif change["actions"] != ["no-op"]:
            unexpected.append(f"{address}: {change['actions']}")
    return changes, unexpected


def _known() -> list[dict[str, str]]:
    known: list[dict[str, str]] = yaml.safe_load((SOURCE / "emulator_differences.yaml").read_text(encoding="utf-8"))
    return known


def _is(known: dict[str, str], change: tuple[str, str]) -> bool:
    address, attribute = change
    return attribute == known["attribute"] and re.fullmatch(known["resource"], address) is not None


def _environments_are_made_of_the_same_things(created: dict[str, set[str]]) -> None:
    """The three are made of the same resources, but for the gateways of a second zone."""
    assert len(created["dev"]) > 80
    assert created["dev"] == created["staging"]
    assert created["dev"] < created["prod"]
    more = {re.sub(r".*\.(aws_\w+)\..*", r"\1", address) for address in created["prod"] - created["dev"]}
    assert more <= {"aws_nat_gateway", "aws_eip", "aws_subnet", "aws_route_table_association"}


def _a_plan_after_an_apply_changes_nothing(life: Life) -> None:
    """An applied environment is what its files say: a plan finds only what the emulator is known to do otherwise."""
    assert {change for change in life.changes if not any(_is(known, change) for known in _known())} == set()
    assert life.unexpected == []


def _no_known_difference_is_out_of_date(life: Life) -> None:
    """Each known difference of the emulator occurs: the list has none that it has fixed since."""
    assert [known for known in _known() if not any(_is(known, change) for change in life.changes)] == []


def _the_password_is_in_no_state(life: Life) -> None:
    """The password of the database is random, in Secrets Manager, and in no state."""
    assert re.fullmatch(r"[0-9A-Za-z]{40}", life.password)
    assert "aws_db_instance" in life.stored_state
    assert life.password not in life.stored_state


def _what_is_protected_refuses_to_be_taken_down(life: Life) -> None:
    """Destroy fails at the database of a protected environment, which stays, with its key and its password."""
    assert f"Error: deleting RDS DB Instance (event-platform-{WHOLE})" in life.refused, life.refused
    assert {
        _DATABASE,
        "module.event_platform.aws_kms_key.this",
        "module.database_password.aws_secretsmanager_secret_version.this",
    } <= set(life.protected)


def _what_is_not_protected_can_be_taken_down(life: Life) -> None:
    """Once the protection is lifted by an apply, destroy leaves nothing."""
    assert "Destroy complete!" in life.destroyed, life.destroyed
    assert life.left == []
