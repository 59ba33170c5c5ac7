"""What bounds the managed NFS servers spells what the operator makes. tests/e2e/test_server_policy.py asks one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from blueno import names
from blueno.config import OperatorConfig
from controllers.objects.nfs_server import CAPABILITIES, SCRATCH

COMPONENT = Path(__file__).resolve().parents[3] / "deploy" / "components" / "nfs"


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((COMPONENT / name).read_text()))


def validations() -> str:
    policy = documents("server-policy.yaml")[0]
    return " ".join(each["expression"] for each in policy["spec"]["validations"])


def test_the_policy_is_installed_and_binds() -> None:
    policy, binding = documents("server-policy.yaml")
    assert "server-policy.yaml" in documents("kustomization.yaml")[0]["resources"]
    assert binding["spec"] == {"policyName": policy["metadata"]["name"], "validationActions": ["Deny"]}
    assert policy["spec"]["failurePolicy"] == "Fail"
    (account,) = (each["expression"] for each in policy["spec"]["matchConditions"])
    assert f"'system:serviceaccount:{names.SYSTEM_NAMESPACE}:{names.OPERATOR}'" in account


def test_the_image_that_may_be_used_is_the_one_that_is_configured() -> None:
    rules = [rule for each in documents("rbac.yaml") for rule in each.get("rules", ())]
    (images,) = (rule["resourceNames"] for rule in rules if rule["resources"] == ["nfsimages"])
    assert images == [OperatorConfig().nfs_image]


def test_capabilities_places_program_and_variable_are_those_of_the_server() -> None:
    text = validations()
    assert re.findall(r"name in \[([^]]*)\]", text) == [", ".join(f"'{each}'" for each in CAPABILITIES)]
    assert re.findall(r"m.mountPath in \[([^]]*)\]", text) == [", ".join(f"'{each}'" for each in SCRATCH.values())]
    assert f"m.mountPath == '{names.NFS_EXPORT}'" in text
    assert set(re.findall(r"exec.command == \['([^']*)'\]", text)) == {names.NFS_READY}
    assert f"e.name == '{names.ENV_NFS_FSID}'" in text
    for label, value in ((names.MANAGED, "true"), (names.ROLE_LABEL, names.ROLE_NFS)):
        assert re.search(rf"\['{label}'\] == '{value}'", text)
    assert names.TENANT_NAMESPACE in text
