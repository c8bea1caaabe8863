"""The overlays, built as a cluster gets them: valid, and true of the service."""

import re
import shutil
import tomllib
from ipaddress import ip_network
from pathlib import Path

import httpx2
import kubernetes_validate
import pytest
import yaml

from settings import Settings
from tests.conftest import run
from tests.deploy.kustomize import build as build_here
from tests.deploy.manifests import (
    BASE,
    KUBERNETES,
    OVERLAYS,
    Object,
    build,
    check_settings,
    containers,
    named,
    pods,
    read,
    settings_of,
)
from tests.servers import ROOT

# The oldest that has all fields we use, and the newest that the schemas know.
RELEASES = ("1.29", kubernetes_validate.latest_version())
WRITTEN = [
    path
    for path in sorted(KUBERNETES.rglob("*.yaml"))
    if path.name not in {"kustomization.yaml", "adapter.yaml"}
    and (path.parent == BASE or path.name in {"volume.yaml", "network.yaml"})
]
SECRET = re.compile(r"DATABASE_URL|SECRET|PASSWORD|ACCESS_KEY|TOKEN")


@pytest.fixture(params=OVERLAYS)
def objects(request: pytest.FixtureRequest) -> tuple[Object, ...]:
    return build(request.param)


@pytest.fixture
def one_machine() -> tuple[Object, ...]:
    return build("one-machine")


@pytest.fixture
def cloud() -> tuple[Object, ...]:
    return build("cloud")


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_what_is_written_is_valid(release: str, path: Path) -> None:
    for one in read(path):
        kubernetes_validate.validate(one, release, strict=True)


@pytest.mark.parametrize("folder", ["base", *OVERLAYS])
def test_every_file_is_used_and_is_there(folder: str) -> None:
    kustomization = yaml.safe_load((KUBERNETES / folder / "kustomization.yaml").read_text())
    used = {path for path in kustomization["resources"] if path != "../base"}
    used |= {patch["path"] for patch in kustomization.get("patches", []) if "path" in patch}
    for made in kustomization.get("configMapGenerator", []):
        used |= {*made.get("envs", []), *made.get("files", [])}
    there = {path.name for path in (KUBERNETES / folder).iterdir()}
    assert used == there - {"kustomization.yaml"}


@pytest.mark.parametrize("release", RELEASES)
def test_what_a_cluster_gets_is_valid(objects: tuple[Object, ...], release: str) -> None:
    for one in objects:
        kubernetes_validate.validate(one, release, strict=True)


def test_a_schema_refuses_what_is_not_in_it(objects: tuple[Object, ...]) -> None:
    wrong = named(objects, "Service") | {"replicas": 1}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, RELEASES[-1], strict=True)


def test_a_pod_may_do_nothing_but_its_work(objects: tuple[Object, ...]) -> None:
    for pod in pods(objects).values():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        assert spec["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": 1034,
            "runAsGroup": 1034,
            "fsGroup": 1034,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        for container in containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]
            # The image has a name that the default would pull anew at each start.
            assert container["imagePullPolicy"] == "IfNotPresent"
            mounted = {one["mountPath"] for one in container["volumeMounts"]}
            assert {"/data", "/tmp"} <= mounted  # noqa: S108


def test_every_name_leads_to_something(objects: tuple[Object, ...]) -> None:
    maps = {one["metadata"]["name"] for one in objects if one["kind"] == "ConfigMap"}
    claims = {one["metadata"]["name"] for one in objects if one["kind"] == "PersistentVolumeClaim"}
    for pod in pods(objects).values():
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        assert len(volumes) == len(pod["spec"]["volumes"])
        mounted = {m["name"] for one in containers(pod) for m in one["volumeMounts"]}
        assert mounted == volumes.keys()
        for volume in volumes.values():
            assert volume.get("configMap", {}).get("name") in maps | {None}
            assert volume.get("persistentVolumeClaim", {}).get("claimName") in claims | {None}
        for container in containers(pod):
            for source in container.get("envFrom", []):
                assert source["configMapRef"]["name"] in maps
    assert {one["metadata"].get("namespace") for one in objects} == {"pupila", None}
    assert named(objects, "Namespace")


def test_every_selector_means_the_servers(objects: tuple[Object, ...]) -> None:
    server = pods(objects)["server"]["metadata"]["labels"]
    others = [pod["metadata"]["labels"] for name, pod in pods(objects).items() if name != "server"]
    spec = named(objects, "Deployment")["spec"]
    selectors = [
        named(objects, "Service")["spec"]["selector"],
        named(objects, "NetworkPolicy", "pupila-clients")["spec"]["podSelector"]["matchLabels"],
        spec["selector"]["matchLabels"],
        *(
            one["labelSelector"]["matchLabels"]
            for one in spec["template"]["spec"]["topologySpreadConstraints"]
        ),
        *(
            one["spec"]["selector"]["matchLabels"]
            for one in objects
            if one["kind"] == "PodDisruptionBudget"
        ),
    ]
    for selector in selectors:
        assert selector.items() <= server.items()
        assert not any(selector.items() <= labels.items() for labels in others)
    everyone = named(objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"]
    assert all(everyone.items() <= labels.items() for labels in (server, *others))


def test_ports_are_named_and_are_the_service_s(objects: tuple[Object, ...]) -> None:
    server = _server(objects)
    (port,) = server["ports"]
    assert port == {"name": "http", "containerPort": Settings().port}
    (outside,) = named(objects, "Service")["spec"]["ports"]
    assert outside["targetPort"] == port["name"]
    (rule,) = named(objects, "NetworkPolicy", "pupila-clients")["spec"]["ingress"]
    assert [one["port"] for one in rule["ports"]] == [port["name"]]
    annotations = pods(objects)["server"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(port["containerPort"])


def test_probes_ask_for_what_the_service_answers(
    objects: tuple[Object, ...], in_process: httpx2.Client
) -> None:
    server = _server(objects)
    asked = {
        kind: server[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")
    }
    assert {probe["port"] for probe in asked.values()} == {"http"}
    # Who is not ready must not be killed for it, and who ends must be sent no more requests.
    assert asked["liveness"]["path"] != asked["readiness"]["path"] == "/readyz"
    scraped = pods(objects)["server"]["metadata"]["annotations"]["prometheus.io/path"]
    for path in {scraped, *(probe["path"] for probe in asked.values())}:
        assert in_process.get(path).status_code == 200, path


def test_the_autoscaler_goes_by_the_cpu_alone_unless_told(cloud: tuple[Object, ...]) -> None:
    spec = named(cloud, "HorizontalPodAutoscaler")["spec"]
    assert [metric["resource"]["name"] for metric in spec["metrics"]] == ["cpu"]
    target = spec["scaleTargetRef"]
    assert named(cloud, target["kind"], target["name"])["apiVersion"] == target["apiVersion"]
    # Its own number would undo the autoscaler's with every change that is applied.
    assert "replicas" not in named(cloud, "Deployment")["spec"]


def test_the_component_s_metric_is_one_that_the_service_has(
    in_process: httpx2.Client, tmp_path: Path
) -> None:
    copied = shutil.copytree(KUBERNETES, tmp_path / "kubernetes")
    file = copied / "cloud" / "kustomization.yaml"
    file.write_text(re.sub(r"# (components:)\n# (  - \.\./requests)", r"\1\n\2", file.read_text()))
    spec = named(tuple(build_here(file.parent)), "HorizontalPodAutoscaler")["spec"]
    cpu, requests = spec["metrics"]
    assert (cpu["type"], requests["type"]) == ("Resource", "Pods")
    name = requests["pods"]["metric"]["name"]
    assert f"\n# TYPE {name} gauge\n" in in_process.get("/metrics").text
    (rule,) = yaml.safe_load((copied / "requests" / "adapter.yaml").read_text())["rules"]["custom"]
    assert rule["seriesQuery"].partition("{")[0] == name


def test_an_update_never_drops_below_capacity(cloud: tuple[Object, ...]) -> None:
    assert named(cloud, "Deployment")["spec"]["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
    }


def test_on_one_machine_the_old_server_leaves_the_volume_first(
    one_machine: tuple[Object, ...],
) -> None:
    assert named(one_machine, "Deployment")["spec"]["strategy"] == {"type": "Recreate"}
    assert named(one_machine, "PersistentVolumeClaim")["spec"]["accessModes"] == ["ReadWriteOnce"]


def test_every_image_is_a_release(objects: tuple[Object, ...]) -> None:
    release = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for pod in pods(objects).values():
        for container in containers(pod):
            name, colon, tag = container["image"].rpartition(":")
            assert colon
            assert tag != "latest"
            if name.endswith("pupila"):
                assert tag == release


def test_only_named_namespaces_may_ask(objects: tuple[Object, ...]) -> None:
    (rule,) = named(objects, "NetworkPolicy", "pupila-clients")["spec"]["ingress"]
    (who,) = rule["from"]
    (expression,) = who["namespaceSelector"]["matchExpressions"]
    assert (expression["key"], expression["operator"]) == ("kubernetes.io/metadata.name", "In")
    assert "pupila" in expression["values"]


def test_names_are_asked_of_the_cluster_s_servers_and_a_node_s_cache(
    objects: tuple[Object, ...],
) -> None:
    (rule,) = named(objects, "NetworkPolicy")["spec"]["egress"]
    servers, cache = rule["to"]
    assert servers["podSelector"]["matchLabels"] == {"k8s-app": "kube-dns"}
    assert cache == {"ipBlock": {"cidr": "169.254.20.10/32"}}
    assert {port["port"] for port in rule["ports"]} == {53}


def test_a_node_may_be_emptied_while_somebody_serves(cloud: tuple[Object, ...]) -> None:
    least = named(cloud, "HorizontalPodAutoscaler")["spec"]["minReplicas"]
    assert named(cloud, "PodDisruptionBudget")["spec"]["maxUnavailable"] < least


def test_a_server_has_the_time_to_end_that_it_takes(objects: tuple[Object, ...]) -> None:
    drain = int(settings_of(objects, _server(objects))["PUPILA_DRAIN_MS"]) / 1000
    entrypoint = (ROOT / "deploy" / "image" / "entrypoint").read_text()
    (running,) = re.findall(r"--timeout-graceful-shutdown (\d+)", entrypoint)
    most = pods(objects)["server"]["spec"]["terminationGracePeriodSeconds"]
    assert drain + int(running) + 5 <= most


def test_workers_have_a_cpu_each_and_their_memory(objects: tuple[Object, ...]) -> None:
    server = _server(objects)
    given = settings_of(objects, server)
    assert server["resources"]["requests"]["cpu"] == given["PUPILA_WORKERS"]
    held = int(given["PUPILA_MAX_HELD_BYTES"]) + Settings().record_buffer_bytes
    assert server["resources"]["limits"]["memory"] == "1Gi"
    # As measured under load: 300 MiB with one worker, 100 for one more.
    workers = int(given["PUPILA_WORKERS"])
    assert (200 + workers * 100) * 2**20 + workers * held < 2**30


def test_settings_are_ours_and_right(objects: tuple[Object, ...]) -> None:
    for pod in pods(objects).values():
        for container in containers(pod):
            check_settings(settings_of(objects, container))


def test_nothing_secret_has_a_value(objects: tuple[Object, ...]) -> None:
    assert "Secret" not in {one["kind"] for one in objects}
    for pod in pods(objects).values():
        for container in containers(pod):
            assert not any(map(SECRET.search, settings_of(objects, container)))
            for variable in container.get("env", []):
                if SECRET.search(variable["name"]):
                    assert variable["valueFrom"].keys() == {"secretKeyRef"}
                    assert "optional" not in variable["valueFrom"]["secretKeyRef"]


@pytest.mark.parametrize("component", ["monitor", "retrain", "guard", "prune"])
def test_a_job_runs_a_command_that_there_is(cloud: tuple[Object, ...], component: str) -> None:
    (job,) = pods(cloud)[component]["spec"]["containers"]
    python, flag, *command = job["args"]
    assert (python, flag) == ("python", "-m")
    # Options that it does not know are an error, help or not.
    assert "Usage" in run(*command, "--help")


def test_each_task_of_the_loop_has_a_job(objects: tuple[Object, ...]) -> None:
    tasks = {}
    for name, pod in pods(objects).items():
        if name != "server":
            (job,) = pod["spec"]["containers"]
            tasks[name] = " ".join(job["args"]).partition("--task ")[2].partition(" ")[0]
    assert {name for name, task in tasks.items() if name == task} == {"monitor", "retrain", "guard"}


def test_a_job_never_meets_itself_and_ends(objects: tuple[Object, ...]) -> None:
    for one in objects:
        if one["kind"] == "CronJob":
            assert one["spec"]["concurrencyPolicy"] == "Forbid"
            assert one["spec"]["startingDeadlineSeconds"] >= 60
            assert one["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] >= 300


def test_a_retraining_has_its_time_and_goes_behind_the_servers(objects: tuple[Object, ...]) -> None:
    job = named(objects, "CronJob", "pupila-retrain")["spec"]["jobTemplate"]["spec"]
    assert job["activeDeadlineSeconds"] >= Settings().retrain_seconds + 1800
    pod = job["template"]["spec"]
    (container,) = pod["containers"]
    assert container["resources"]["limits"].keys() == {"cpu", "memory"}
    priority = named(objects, "PriorityClass", pod["priorityClassName"])
    assert priority["value"] < 0
    assert priority["preemptionPolicy"] == "Never"


def test_the_webhook_is_called_by_those_who_may(objects: tuple[Object, ...]) -> None:
    callers = {
        name
        for name, pod in pods(objects).items()
        if "PUPILA_WEBHOOK_URL"
        in {v["name"] for one in containers(pod) for v in one.get("env", [])}
    }
    (allowed,) = named(objects, "NetworkPolicy", "pupila-webhook")["spec"]["podSelector"][
        "matchExpressions"
    ]
    assert callers == set(allowed["values"]) == {"monitor", "guard"}


def test_an_alarm_is_no_failed_job(objects: tuple[Object, ...]) -> None:
    for pod in pods(objects).values():
        for container in containers(pod):
            assert "--fail-on-alarm" not in container.get("args", [])


def test_on_one_machine_everyone_shares_the_volume(one_machine: tuple[Object, ...]) -> None:
    for pod in pods(one_machine).values():
        (data,) = (one for one in pod["spec"]["volumes"] if one["name"] == "data")
        assert data == {"name": "data", "persistentVolumeClaim": {"claimName": "pupila"}}
    assert named(one_machine, "Deployment")["spec"]["replicas"] == 1
    kinds = {one["kind"] for one in one_machine}
    assert not kinds & {"HorizontalPodAutoscaler", "PodDisruptionBudget"}


def test_in_a_cloud_records_are_in_the_database_of_the_secret(cloud: tuple[Object, ...]) -> None:
    url = {"valueFrom": {"secretKeyRef": {"name": "pupila-database", "key": "url"}}}
    for pod in pods(cloud).values():
        for container in containers(pod):
            if container["name"].startswith("fetch"):
                continue
            assert {"name": "PUPILA_DATABASE_URL"} | url in container["env"]


@pytest.mark.parametrize(("name", "port"), [("pupila-database", 5432), ("pupila-store", 443)])
def test_in_a_cloud_pods_go_where_the_overlay_says(
    cloud: tuple[Object, ...], name: str, port: int
) -> None:
    (rule,) = named(cloud, "NetworkPolicy", name)["spec"]["egress"]
    assert [one["port"] for one in rule["ports"]] == [port]
    (to,) = rule["to"]
    ip_network(to["ipBlock"]["cidr"])


def test_in_a_cloud_only_who_has_the_store_s_secret_may_go_there(
    cloud: tuple[Object, ...],
) -> None:
    (may,) = named(cloud, "NetworkPolicy", "pupila-store")["spec"]["podSelector"][
        "matchExpressions"
    ]
    have = {name for name, pod in pods(cloud).items() if "pupila-store" in str(pod)}
    assert set(may["values"]) == have


def test_in_a_cloud_images_are_named_in_full(cloud: tuple[Object, ...]) -> None:
    for pod in pods(cloud).values():
        for container in containers(pod):
            registry, _, rest = container["image"].partition("/")
            assert "." in registry
            assert rest.partition(":")[2] not in {"", "latest"}


@pytest.mark.parametrize("component", ["server", "monitor"])
def test_in_a_cloud_versions_are_there_before_they_are_needed(
    cloud: tuple[Object, ...], component: str
) -> None:
    spec = pods(cloud)[component]["spec"]
    (fetch,) = (one for one in spec["initContainers"] if one["name"] == "fetch")
    assert fetch["command"] == ["sh", "/store/fetch.sh", "once"]
    # BENTOML_HOME of the image, and where BentoML keeps models in it.
    assert settings_of(cloud, fetch)["VERSIONS"] == "/data/models"


def test_in_a_cloud_a_fetch_that_hangs_is_started_anew(cloud: tuple[Object, ...]) -> None:
    (fetch,) = (
        one for one in pods(cloud)["server"]["spec"]["containers"] if one["name"] == "fetch-again"
    )
    (shell, flag, line) = fetch["livenessProbe"]["exec"]["command"]
    assert (shell, flag) == ("sh", "-c")
    (file,) = re.findall(r"cat (\S+?)\)", line)
    assert f">{file}\n" in (KUBERNETES / "cloud" / "fetch.sh").read_text()


def test_in_a_cloud_a_retrained_version_is_published(cloud: tuple[Object, ...]) -> None:
    spec = pods(cloud)["retrain"]["spec"]
    (fetch,), (retrain,) = spec["initContainers"], spec["containers"]
    given = settings_of(cloud, retrain)
    # The command, and the program that it runs, are where the other container puts them.
    assert given["PUPILA_PUBLISH"] == "sh /store/publish.sh"
    (store,) = (one["configMap"]["name"] for one in spec["volumes"] if one["name"] == "store")
    assert "publish.sh" in named(cloud, "ConfigMap", store)["data"]
    assert given["RCLONE"] == "/tools/rclone"
    assert fetch["command"][-1] == (
        "cp /usr/local/bin/rclone /tools/ && exec sh /store/fetch.sh once"
    )
    for name in ("VERSIONS", "IMAGES", "STORE", "STORE_IMAGES", "RCLONE_CONFIG_STORE_TYPE"):
        assert given[name] == settings_of(cloud, fetch)[name]
    # Their folder is the next to that of the versions, as a store expects it.
    assert given["IMAGES"] == str(Path(given["VERSIONS"]).parent / "pupila-training-images")
    assert given["PUPILA_WORKERS"]
    (data,) = (one for one in spec["volumes"] if one["name"] == "data")
    assert data == {"name": "data", "persistentVolumeClaim": {"claimName": "pupila-retrain"}}


def _server(objects: tuple[Object, ...]) -> Object:
    (server,) = (one for one in containers(pods(objects)["server"]) if one["name"] == "server")
    return server
