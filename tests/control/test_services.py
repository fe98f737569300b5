import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from control.stack import Stack
from keepfit.settings import Settings
from tests.conftest import NAME

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("real_stack")]


@pytest.fixture(scope="module")
def prefect(settings: Settings) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{settings.prefect_url}/api", timeout=30) as client:
        yield client


def deployment(prefect: httpx.Client, name: str) -> dict[str, Any]:
    return prefect.get(f"/deployments/name/{name}/{NAME}-{name}").raise_for_status().json()


def test_every_address_of_the_table_answers(real_stack: Stack) -> None:
    assert real_stack.addresses()[0].name == "console"
    names = {
        each.name: httpx.get(each.url, follow_redirects=True).status_code for each in real_stack.addresses()
    }
    assert names.keys() == {"console", "serving", "prefect", "mlflow"}
    assert (names["prefect"], names["mlflow"]) == (200, 200)


def test_a_deployment_carries_the_project_and_a_form(prefect: httpx.Client, stack_project: str) -> None:
    found = deployment(prefect, "retrain")
    assert found["parameters"]["project"] == stack_project
    assert {"project", "reason", "as_of"} <= found["parameter_openapi_schema"]["properties"].keys()
    assert found["global_concurrency_limit"]["limit"] == 1


def test_the_event_of_watch_would_start_retrain(prefect: httpx.Client) -> None:
    wanted = deployment(prefect, "retrain")["id"]
    (automation,) = (
        prefect.get(f"/automations/related-to/prefect.deployment.{wanted}").raise_for_status().json()
    )
    assert automation["trigger"]["expect"] == ["keepfit.retrain.wanted"]
    assert automation["trigger"]["match"] == {"prefect.resource.id": f"keepfit.project.{NAME}"}
    assert automation["actions"][0]["parameters"]["reason"] == "{{ event.payload.reason }}"


def test_the_registry_keeps_what_it_is_given(settings: Settings) -> None:
    where = f"{settings.mlflow_url}/api/2.0/mlflow-artifacts/artifacts/{time.time_ns()}/note.txt"
    httpx.put(where, content=b"kept").raise_for_status()
    assert httpx.get(where).raise_for_status().content == b"kept"


def test_nothing_listens_beyond_this_machine(settings: Settings) -> None:
    assert settings.host == "127.0.0.1"


@pytest.mark.parametrize(
    "foreign",
    [{"Host": "keepfit.example"}, {"Origin": "http://keepfit.example"}, {"Origin": "http://127.0.0.1:1"}],
)
def test_a_page_from_elsewhere_drives_neither_prefect_nor_mlflow(
    settings: Settings, foreign: dict[str, str]
) -> None:
    questions = [
        ("POST", f"{settings.prefect_url}/api/deployments/filter"),
        ("OPTIONS", f"{settings.prefect_url}/api/deployments/filter"),
        ("GET", f"{settings.prefect_url}/api/health"),
        ("POST", f"{settings.mlflow_url}/ajax-api/2.0/mlflow/experiments/search"),
        ("OPTIONS", f"{settings.mlflow_url}/ajax-api/2.0/mlflow/experiments/search"),
        ("GET", f"{settings.mlflow_url}/health"),
    ]
    with httpx.Client(trust_env=False) as client:
        for method, url in questions:
            answer = client.request(method, url, headers=foreign)
            assert answer.status_code == 403, (method, url)
            assert "access-control-allow-origin" not in answer.headers
    events = f"{settings.prefect_url.replace('http', 'ws')}/api/events/in"
    with pytest.raises(InvalidStatus), connect(events, additional_headers=foreign, proxy=None):
        pytest.fail("it was let in")


@pytest.mark.parametrize("path", ["gateway/mlflow/v1/models", "ajax-api/3.0/mlflow/assistant/config"])
def test_what_keepfit_does_not_use_of_mlflow_is_not_there(settings: Settings, path: str) -> None:
    assert httpx.get(f"{settings.mlflow_url}/{path}").status_code == 404
